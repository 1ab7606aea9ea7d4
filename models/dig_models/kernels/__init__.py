"""One folder per operation, in it one file per implementation. `reference.py` is the specification."""
