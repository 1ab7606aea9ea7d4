"""Texts made safe for a figure, a log, a file name and Markdown."""

import pytest

from dig_bench.render.markdown import code, prose, table
from dig_bench.render.text import count, log_line, plain, slug
from harness import HOSTILE


def test_figure_labels_hold_nothing_that_matplotlib_interprets() -> None:
    assert plain("a\nb\0c") == "a b c"
    assert not plain("_hidden").startswith("_")
    assert len(plain("x" * 500)) == 60


@pytest.mark.parametrize("text", HOSTILE)
def test_log_lines_are_one_line_without_workflow_commands(text: str) -> None:
    line = log_line(text)
    assert line.isprintable()
    assert len(line) <= 300
    assert "::" not in line
    assert "##[" not in line


def test_slugs_are_safe_file_names() -> None:
    assert slug("DiG-S/2@fla") == "dig-s-2-fla"
    assert slug("../../etc") == "etc"


def test_counts_agree_with_their_noun() -> None:
    assert [count(number, "cell") for number in (0, 1, 12)] == ["0 cells", "1 cell", "12 cells"]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_tables_keep_their_columns_whatever_the_text(text: str) -> None:
    *_, row = table(["a", "b"], [[code(text), prose(text.replace("\n", " "))]])
    assert row.replace("\\|", "").count("|") == 3
    assert "<" not in prose(text)
