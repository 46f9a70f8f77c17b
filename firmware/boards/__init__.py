# One file a board: pins, chips, scales, delays. Data only; which one counts is told by board.txt (main.the_board).
NAMES = "bench"  # of all of them, as a text: a list would hold more of the heap
