"""Groups of options: a dataclass whose fields are options, shared by several commands as one parameter.

@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    res: Annotated[str | None, typer.Option(help="...")] = None

@app.command()
@with_option_groups
def sweep(*, options: SweepOptions, plan: PlanOption = False) -> None: ...

@app.command()
@with_option_groups
def profile(*, options: Annotated[SweepOptions, Only("res", "batch")]) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

Command = Callable[..., None]


class Only:
    """Names the fields of a group that a command takes; the others keep their defaults."""

    def __init__(self, *names: str) -> None:
        self.names = names


@dataclass(frozen=True, kw_only=True)
class _Group:
    kind: type[Any]
    parameters: tuple[inspect.Parameter, ...]

    def build(self, values: dict[str, Any]) -> Any:
        """Takes the group's values out of those of the command line."""
        return self.kind(**{each.name: values.pop(each.name) for each in self.parameters})


def with_option_groups(command: Command) -> Command:
    """Replaces each parameter whose type is a dataclass by one option per field, and passes the command the object.

    The options stand where the parameter stood, in the order of the fields. Every field needs a default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, _Group] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        group = _group(hints[name])
        if group:
            groups[name] = group
            parameters.extend(group.parameters)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def run(**values: Any) -> None:
        built = {name: group.build(values) for name, group in groups.items()}
        command(**values, **built)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    # Typer reads both.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def given(options: Any) -> list[str]:
    """Returns the options of a group that differ from their defaults, as they are spelt: `--max-samples`."""
    names = [each.name for each in fields(options) if getattr(options, each.name) != each.default]
    return [f"--{name.replace('_', '-')}" for name in names]


def _group(hint: Any) -> _Group | None:
    kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None
    hints = get_type_hints(kind, include_extras=True)
    chosen = next((each.names for each in extras if isinstance(each, Only)), tuple(hints))
    assert set(chosen) <= set(hints), f"{kind.__name__} has no {set(chosen) - set(hints)}"
    return _Group(
        kind=kind,
        parameters=tuple(
            inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name]
            )
            for each in fields(kind)
            if each.name in chosen
        ),
    )
