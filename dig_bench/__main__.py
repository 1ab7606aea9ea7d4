"""`python -m dig_bench ...` is `dig-bench ...`."""

from dig_bench.cli import main

if __name__ == "__main__":
    main()
