"""Shared by tests of commands and pages: running a command, hostile texts, the elements of a page."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from typing import NamedTuple, Protocol
from unittest.mock import patch

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ undefined.attribute }}{% raw %}",
    "=cmd|' /C calc'!A0",
    "@everyone [a](javascript:alert(1)) ![b](http://x)",
    "`code` | cell | `",
    "[bold red]markup[/] [link=http://x]l[/link]",
    "\x1b[31mred\x1b]0;title\x07\x00 \x08",
    "::error::stop ##[add-mask]all",
    "]]> &xxe; <!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "$\\frac{1}{0}$ _hidden \u202e reversed \ufffe",
    "x" * 10_000,
    "--output=hacked",
)
"""Texts that a page, a figure, a terminal, a log or a shell could take for its own language."""


class Ran(NamedTuple):
    """The outcome of a command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Output, then errors without the program's name before them."""
        return (self.out + self.err.replace("dig-bench: ", "")).strip()


def run_command(*arguments: object) -> Ran:
    """Runs `dig-bench ARGUMENTS` in this process; tests that need an empty folder take the fixture `dig_bench`."""
    from dig_bench.cli import main

    out, err, code = io.StringIO(), io.StringIO(), None
    argv = ["dig-bench", *map(str, arguments)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code
    return Ran(int(code or 0), out.getvalue(), err.getvalue())


class Run(Protocol):
    """`dig_bench("sweep", "--plan")`: the command, run in this process."""

    def __call__(self, *arguments: str) -> Ran: ...


class Elements(HTMLParser):
    """The elements and attributes that a page has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.scripts += tag == "script"
