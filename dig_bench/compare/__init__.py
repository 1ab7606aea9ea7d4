"""Decides whether a candidate is slower, or needs more memory or energy, than a base, from the values of processes."""
