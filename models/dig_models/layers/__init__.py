"""What the architectures share. Each layer that does heavy work asks kernels/ for one named implementation."""
