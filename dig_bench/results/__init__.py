"""A folder of rows: written as they come, read back typed."""
