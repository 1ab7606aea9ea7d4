"""Runs `dig-bench ...` as `python -m dig_bench ...`."""

from dig_bench.cli import main

if __name__ == "__main__":
    main()
