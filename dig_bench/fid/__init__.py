"""How far generated images are from real ones: Fréchet distances, and what else is told from features."""
