"""Measures any callable: time, memory, energy. Knows nothing of models, nor of the rest of the suite."""
