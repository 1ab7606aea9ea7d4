"""Files on disk: atomic writes, locks, JSON, the clock that stamps them."""
