"""Training as DiT and DiG were trained."""
