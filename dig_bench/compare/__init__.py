"""Whether a candidate is slower, or needs more memory or energy, than a base: decided from processes."""
