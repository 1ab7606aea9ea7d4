"""Files on disk: atomic writes, locks, JSON, output files, the clock."""
