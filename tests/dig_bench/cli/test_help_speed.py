"""--help, --version and usage errors answer without importing the libraries that take seconds."""

import json
import subprocess
import sys

SLOW = ("torch", "pandas", "matplotlib", "numpy", "scipy", "dig_models")

COMMANDS = [
    [],
    ["--help"],
    ["-h"],
    ["--version"],
    ["sweep", "--help"],
    ["report", "--help"],
    ["compare", "--help"],
    ["claims", "--help"],
    ["reproduce", "--help"],
    ["history", "--help"],
    ["history", "show", "--help"],
    ["list", "-h"],
    ["doctor", "-h"],
    ["swep"],
]

CODE = """
import json, sys
from dig_bench.cli import main
slow = set(json.loads(sys.argv[1]))
for words in json.loads(sys.argv[2]):
    sys.argv = ["dig-bench", *words]
    try:
        main()
    except SystemExit as left:
        print(left.code or 0, *sorted(slow & set(sys.modules)), file=sys.stderr)
"""


def test_help_imports_nothing_slow() -> None:
    command = [sys.executable, "-c", CODE, json.dumps(SLOW), json.dumps(COMMANDS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in ran.stderr.splitlines() if not line.startswith("dig-bench: ")]
    assert lines == ["0"] * (len(COMMANDS) - 1) + ["2"]
