"""This machine: its hardware and software, its devices and their lock, its measured roofline."""
