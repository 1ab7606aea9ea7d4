"""Writes the page `command-line.md` from the command-line application while MkDocs builds the site."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from dig_bench.cli.app import app

PAGE = "command-line.md"

INTRODUCTION = """# Command line

This page is generated from the application: it holds what `--help` of each command prints. Completion for your shell is
installed by `dig-bench --install-completion`; in bash, backends complete after an `@` if `~/.bashrc` contains
`COMP_WORDBREAKS=${COMP_WORDBREAKS//@}`. [Results and columns](result-files.md) explains the folders that commands
write, and lists all [exit codes](result-files.md#exit-codes).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page to the site. Called by MkDocs."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The page in Markdown."""
    found = list(commands(typer.main.get_group(app)))
    index = "\n".join(f"| [`{name}`](#{anchor(name)}) | {summary(command)} |" for name, command in found)
    sections = "\n".join(section(name, command) for name, command in found)
    return f"{INTRODUCTION}\n| command | purpose |\n|---|---|\n{index}\n\n{sections}"


def commands(group: Any, prefix: str = "dig-bench") -> Iterator[tuple[str, Any]]:
    """Full name and command, depth first, in the order of `--help`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}", command


def anchor(name: str) -> str:
    return name.replace(" ", "-")


def summary(command: Any) -> str:
    return escaped(paragraphs(command.help)[0])


def paragraphs(text: str | None) -> list[str]:
    return (text or "").strip().split("\n\n")


def section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join([name, *(argument_usage(each) for each in arguments), "[OPTIONS]"])
    parts = [f"## {name} {{ #{anchor(name)} }}", f"```text\n{usage}\n```"]
    # A paragraph that starts with \b is preformatted: examples.
    for text in paragraphs(command.help):
        parts.append(f"```bash\n{text.lstrip(chr(8)).strip()}\n```" if text.startswith("\b") else escaped(text))
    if arguments:
        rows = [f"| `{metavar(each)}` | {described(each)} |" for each in arguments]
        parts.append("\n".join(["| argument | meaning |", "|---|---|", *rows]))
    panels: dict[str, list[Any]] = {}
    for each in options:
        panels.setdefault(each.rich_help_panel or "Options", []).append(each)
    for title, members in panels.items():
        rows = [f"| {option_names(each)} | {described(each)} |" for each in members]
        parts.append("\n".join([f"| {title} | meaning |", "|---|---|", *rows]))
    if command.epilog:
        parts.append(exit_codes(command.epilog))
    return "\n\n".join(parts) + "\n"


def argument_usage(argument: Any) -> str:
    text = metavar(argument)
    return text if argument.required else f"[{text}]"


def metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()) + ("..." if parameter.nargs == -1 else "")


def option_names(option: Any) -> str:
    value = "" if option.is_flag else f" {metavar(option)}"
    named = [f"`{name}{value}`" for name in option.opts] + [f"`{name}`" for name in option.secondary_opts]
    return ", ".join(named)


def described(parameter: Any) -> str:
    notes = []
    if parameter.param_type_name == "option" and parameter.required:
        notes.append("required")
    default = parameter.default
    if parameter.show_default and default not in (None, "", ()) and not callable(default) and default is not False:
        name = parameter.opts[0] if default is True else default
        notes.append(f"default: `{name}`")
    return escaped(parameter.help or "") + (f" [{'; '.join(notes)}]" if notes else "")


def exit_codes(epilog: str) -> str:
    """`Exit codes: 0 all is well; 1 something is not.` -> a list."""
    title, colon, codes = epilog.rstrip(".").partition(": ")
    if title != "Exit codes" or not colon:
        return escaped(epilog)
    return "Exit codes:\n\n" + "\n".join(
        re.sub(r"^(\d+) ", r"- `\1`: ", escaped(code)) for code in re.split(r"[;,] (?=\d+ )", codes)
    )


def escaped(text: str) -> str:
    """Plain text of a help message as Markdown: code spans stay, everything else loses its special meaning."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(
        part.replace("|", "\\|") if index % 2 else re.sub(r"([\\*_\[\]|#])", r"\\\1", html.escape(part, quote=False))
        for index, part in enumerate(parts)
    )
