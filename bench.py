"""Runs `dig-bench ...` from a checkout that is not installed: `python bench.py ...`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "models")]

from dig_bench.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
