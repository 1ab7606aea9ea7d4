"""Runs cells: worker processes, correctness check, measurement. Cell -> Row."""
