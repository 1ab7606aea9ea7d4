"""This machine: its environment, devices, device lock, stored roofline, and what it can measure."""
