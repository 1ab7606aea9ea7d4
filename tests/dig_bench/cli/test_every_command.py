"""Rules that the options of all commands keep."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest
import typer
from typer.models import ArgumentInfo, OptionInfo

from dig_bench.cli.app import app

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
def test_every_parameter_has_a_help_text(command: Callable[..., Any]) -> None:
    assert [name for name, info in parameters(command) if not info.help] == []


@every_command
def test_values_from_a_list_complete_in_the_shell(command: Callable[..., Any]) -> None:
    assert [name for name, info in parameters(command) if name in COMPLETED and not info.autocompletion] == []
