"""Options that typer 0.27 would drop: those whose metavar is their name, unless they are spelt out."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest
import typer
from typer.models import OptionInfo

from dig_bench.cli.app import app


def commands(group: typer.Typer) -> Iterator[Callable[..., Any]]:
    yield from (command.callback for command in group.registered_commands if command.callback)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance)


@pytest.mark.parametrize("command", list(commands(app)), ids=lambda command: command.__name__)
def test_options_with_their_name_for_a_metavar_are_spelt_out(command: Callable[..., Any]) -> None:
    hints = get_type_hints(command, include_extras=True)
    for name in inspect.signature(command).parameters:
        for extra in getattr(hints[name], "__metadata__", ()):
            if isinstance(extra, OptionInfo) and extra.metavar == name.upper():
                # Of an Annotated option, the first of its own words takes the default's place.
                assert str([extra.default, *extra.param_decls][0]).startswith("--"), name
