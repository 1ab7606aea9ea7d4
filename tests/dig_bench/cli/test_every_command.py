"""Rules that the options of all commands keep."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest
import typer
from typer.models import ArgumentInfo, OptionInfo
from typer.testing import CliRunner

from dig_bench.cli.app import app
from dig_bench.protocol import Protocol

COMPLETED = {
    "preset",
    "models",
    "metrics",
    "device",
    "mode",
    "precision",
    "execution",
    "model",
    "contenders",
    "sampler",
}


def commands(group: typer.Typer) -> Iterator[Callable[..., Any]]:
    yield from (command.callback for command in group.registered_commands if command.callback)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance)


def parameters(command: Callable[..., Any]) -> Iterator[tuple[str, OptionInfo | ArgumentInfo]]:
    hints = get_type_hints(command, include_extras=True)
    for name in inspect.signature(command).parameters:
        for extra in getattr(hints[name], "__metadata__", ()):
            if isinstance(extra, OptionInfo | ArgumentInfo):
                yield name, extra


def spelling(name: str, info: OptionInfo | ArgumentInfo) -> str:
    """Returns `--out`. An Annotated option holds its first name where its default would be."""
    names = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
    return names[0] if names else f"--{name.replace('_', '-')}"


every_command = pytest.mark.parametrize("command", list(commands(app)), ids=lambda command: command.__name__)


@every_command
def test_options_whose_metavar_is_their_name_are_spelt_out(command: Callable[..., Any]) -> None:
    # typer 0.27 drops them otherwise.
    for name, info in parameters(command):
        if isinstance(info, OptionInfo) and info.metavar == name.upper():
            assert str([info.default, *(info.param_decls or ())][0]).startswith("--"), name


@every_command
def test_out_is_a_folder_and_output_a_file(command: Callable[..., Any]) -> None:
    for name, info in parameters(command):
        if spelling(name, info) == "--out":
            assert info.metavar == "FOLDER"
        if spelling(name, info) == "--output":
            assert str(info.metavar).startswith("FILE")


@every_command
def test_values_and_arguments_have_a_name(command: Callable[..., Any]) -> None:
    hints = get_type_hints(command)
    named = {name: info.metavar for name, info in parameters(command) if hints[name] is not bool}
    flags = {name for name, info in parameters(command) if info.default and "/--no-" in str(info.default)}
    assert [name for name, metavar in named.items() if not metavar and name not in flags] == []


GROUP = typer.main.get_group(app)


@pytest.mark.parametrize("name", [*GROUP.commands, "history add", "history show"])
def test_help_shows_no_types_of_python(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"]).output
    assert "Usage" in shown
    assert re.findall(r"<[a-z][\w\[\] ]*>|\b(TEXT|PATH|INTEGER|FLOAT|BOOLEAN)\b", shown) == []


def test_help_shows_the_defaults_of_the_protocol() -> None:
    (sweep,) = (command for command in commands(app) if command.__name__ == "sweep")
    helps = {name: str(info.help) for name, info in parameters(sweep)}
    default = Protocol()
    values = {
        "timeout": default.timeout_s,
        "state": default.state,
        "warmup_seconds": default.warmup_seconds,
        "target_ci": default.target_half_width,
        "min_samples": default.min_samples,
        "max_samples": default.max_samples,
        "max_seconds": default.max_seconds,
        "sampler": default.sampler,
        "sampler_steps": default.sampler_steps,
        "guidance": default.guidance,
    }
    for name, value in values.items():
        shown = value if isinstance(value, str) else f"{value:g}"
        assert helps[name].endswith(f"default: {shown}"), name
    assert "0.05 (bf16)" in helps["check_tolerance"]


@every_command
def test_every_parameter_has_a_help_text(command: Callable[..., Any]) -> None:
    assert [name for name, info in parameters(command) if not info.help] == []


@every_command
def test_values_from_a_list_complete_in_the_shell(command: Callable[..., Any]) -> None:
    assert [name for name, info in parameters(command) if name in COMPLETED and not info.autocompletion] == []
