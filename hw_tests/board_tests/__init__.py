"""Runs the numbered tests of hw_tests/ on a board, in order, and judges: `make board-tests PORT=...`."""
