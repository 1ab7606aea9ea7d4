"""Parity results as a page, as figures and on a terminal."""
