"""Training with the recipe of DiT and DiG."""
