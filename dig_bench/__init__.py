"""Benchmark suite for diffusion backbones: latency, memory, energy, and where they go."""

__version__ = "0.1.0"
