"""Generates images with trained backbones."""
