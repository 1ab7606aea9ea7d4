"""Judges the paper's claims by measurements: the claim, the finding, its conditions, the verdict."""
