"""Profiles a step: time and memory by component of the architecture and by kernel, against the roofline."""
