"""Scores generated images against real ones: Fréchet distance, precision, recall, class score."""
