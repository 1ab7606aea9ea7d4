"""One folder per operation; inside, one file per implementation. `reference.py` is the specification."""
