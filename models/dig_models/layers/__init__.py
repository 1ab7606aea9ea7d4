"""Layers that the architectures share. Each takes the names of the kernels that it runs."""
