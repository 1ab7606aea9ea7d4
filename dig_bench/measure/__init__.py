"""Measures any callable: latency, memory, energy. Independent of models and of the rest of the suite."""
