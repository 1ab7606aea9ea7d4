"""--help, --version and usage errors answer without the libraries that take seconds to import."""

import subprocess
import sys

import pytest

SLOW = ("torch", "pandas", "matplotlib", "numpy", "scipy", "dig_models")

CODE = """
import sys
from dig_bench.cli import main
sys.argv = ["dig-bench", *sys.argv[1:]]
try:
    main()
finally:
    print("imported:", sorted(set(sys.modules) & set({slow!r})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
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
    ],
)
def test_help_imports_nothing_slow(arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE.format(slow=SLOW), *arguments], capture_output=True, text=True, check=False
    )
    assert "imported: []" in ran.stderr
