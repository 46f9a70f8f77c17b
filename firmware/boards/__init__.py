# One file a board: pins, chips, scales, delays. Data only; which one counts is told by board.txt (main.the_board).
# The names of all of them, as a text: a list would hold more of the heap.
NAMES = "bench bench_2x_mcp2515 bench_2x_mcp2518fd bench_t2can esp32_2x_mcp2515 esp32_2x_mcp2518fd lilygo_t2can"
