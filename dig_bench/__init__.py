"""dig-bench: how efficient is a diffusion backbone, and why."""

__version__ = "0.1.0"
