"""A dataclass of options expands into a command's signature; a command can take a part of it."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from dig_bench.cli.option_groups import Only, given, with_option_groups


@dataclass(frozen=True, kw_only=True)
class Group:
    size: Annotated[int, typer.Option(help="a size")] = 3
    long_name: Annotated[str | None, typer.Option(metavar="NAME", help="a name")] = None


def build_app() -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @with_option_groups
    def whole(path: Annotated[str, typer.Argument()] = ".", *, group: Group, last: bool = False) -> None:
        """Takes all options."""
        print(path, group, last)

    @app.command()
    @with_option_groups
    def part(*, group: Annotated[Group, Only("size")]) -> None:
        print(group)

    return app


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["whole"], ". Group(size=3, long_name=None) False"),
        (["whole", "here", "--long-name", "x", "--size", "4", "--last"], "here Group(size=4, long_name='x') True"),
        (["part", "--size", "5"], "Group(size=5, long_name=None)"),
    ],
)
def test_a_command_gets_one_object(arguments: list[str], printed: str) -> None:
    ran = CliRunner().invoke(build_app(), arguments)
    assert ran.output.strip() == printed


def test_a_command_refuses_options_that_it_does_not_take() -> None:
    ran = CliRunner().invoke(build_app(), ["part", "--long-name", "x"])
    assert ran.exit_code == 2
    assert "--long-name" in ran.output


def test_options_keep_the_order_of_the_signature() -> None:
    text = CliRunner().invoke(build_app(), ["whole", "--help"]).output
    assert "Takes all options." in text
    places = [text.index(option) for option in ("--size", "--long-name", "--last")]
    assert places == sorted(places)


def test_given_names_what_differs_from_the_defaults() -> None:
    assert given(Group()) == []
    assert given(Group(long_name="x")) == ["--long-name"]
