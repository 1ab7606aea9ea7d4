"""Docstrings start with a verb in the third person or a noun phrase."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("dig_bench", "models", "benchmarks", "tests", "examples")
DANGLING = re.compile(r"(Of|What|Whether|Those|Where|Who|Which|Whose)\b")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of docstrings, and of the strings below attributes: every string that is a statement."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value.strip()


def test_dangling_docstrings_are_found() -> None:
    source = '"""Of old."""\nsize = 3\n"""Whether it is large."""\ndef f():\n    """Returns: Of is fine later."""\n'
    assert [line for line, text in docstrings(source) if DANGLING.match(text)] == [1, 3]


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_do_not_start_with_a_dangling_word(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in paths
        for line, text in docstrings(path.read_text(encoding="utf-8"))
        if DANGLING.match(text)
    ]
    assert found == []
