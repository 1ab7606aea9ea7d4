"""`import dig_bench`: the names that users import, and what the import costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dig_bench

API_PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"

CODE = """
import sys
import dig_bench
print(*sorted({"torch", "pandas", "numpy", "dig_models"} & set(sys.modules)))
dig_bench.Cell, dig_bench.Protocol, dig_bench.read_rows
print(*sorted({"torch", "pandas", "numpy", "dig_models"} & set(sys.modules)))
"""


def test_the_import_loads_no_library_that_takes_seconds() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_public_names_are_the_objects_of_their_modules() -> None:
    for name in dig_bench.__all__:
        assert getattr(dig_bench, name) is not None
    assert dig_bench.Row.__module__ == "dig_bench.cell"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'dig_bench' has no attribute 'Cells'"):
        dig_bench.Cells  # noqa: B018


def test_the_api_page_documents_every_public_name() -> None:
    text = API_PAGE.read_text(encoding="utf-8")
    documented = set(re.findall(r"^::: dig_bench\.[\w.]*\b(\w+)$", text, re.MULTILINE))
    documented |= {name.strip() for names in re.findall(r"members: \[(.*)\]", text) for name in names.split(",")}
    assert set(dig_bench.__all__) - {"__version__"} <= documented
