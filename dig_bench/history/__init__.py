"""Keeps the results of revisions in an append-only folder, and finds the change points between them."""
