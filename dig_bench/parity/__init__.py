"""Trains contenders on the same data, noise, budget and seeds, and judges whether they train equally well."""
