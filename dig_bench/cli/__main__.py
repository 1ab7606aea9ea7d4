from dig_bench.cli import main

main()
