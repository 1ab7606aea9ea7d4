"""JSON to and from dataclasses: encoding turns what JSON cannot hold into null, decoding checks every type."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def dumps(value: Any, *, indent: int | None = 1) -> str:
    """Returns JSON text, with a final newline, of dataclasses, mappings, sequences and numbers.

    Infinity and NaN become null, since JSON has neither. Lone surrogates, from file names that are not UTF-8, are
    escaped, so that the text can be encoded. Without an indent the text is compact.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(_encoded(value), indent=indent, separators=separators, allow_nan=False, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def _encoded(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _encoded(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _encoded(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_encoded(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def parse(content: bytes | str) -> Any:
    """Parses JSON. Raises ValueError if it is malformed."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def build(kind: type[T], value: Any, place: str = "") -> T:
    """Builds a dataclass, or another annotated type, from `value` as `parse` returns it.

    Supports None, numbers, text, tuples, sequences, mappings and Literals. Raises ValueError, which names the place,
    for missing and unknown fields and for values of another type; `place` is that of `value` itself.
    """
    found: T = _of(kind, value, place)
    return found


def _of(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        assert NoneType in arguments, f"{kind} is not supported: a union has None and one other type"
        (kind,) = (each for each in arguments if each is not NoneType)
        return None if value is None else _of(kind, value, place)
    if is_dataclass(kind):
        return _dataclass(kind, _as(Mapping, value, place), place)
    if origin in (Mapping, dict):
        items = _as(Mapping, value, place).items()
        return {key: _of(arguments[1], each, f"{place}.{key}") for key, each in items}
    if origin in (tuple, Sequence):
        values = _as(list, value, place)
        kinds = arguments if origin is tuple and ... not in arguments else arguments[:1] * len(values)
        if len(kinds) != len(values):
            raise ValueError(f"{_name(place)} has {len(values)} parts, not {len(kinds)}")
        found = [_of(each, part, f"{place}[{i}]") for i, (each, part) in enumerate(zip(kinds, values, strict=True))]
        return tuple(found) if origin is tuple else found
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{_name(place)} is {reprlib.repr(value)}, not one of {', '.join(map(str, arguments))}")
        return value
    assert origin is None, f"{kind} is not supported"
    return value if kind is Any else _as(kind, value, place)


def _dataclass(kind: Any, value: Mapping[str, Any], place: str) -> Any:
    hints = _hints(kind)
    known = {each.name for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    for what, names in (
        ("is missing", needed - value.keys()),
        ("is unknown", value.keys() - known),
    ):
        if names:
            raise ValueError(f"{_name(f'{place}.{min(names)}')} {what}")
    return kind(**{name: _of(hints[name], each, f"{place}.{name}") for name, each in value.items()})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _as(kind: Any, value: Any, place: str) -> Any:
    """Returns the value if it is of the kind. A whole number counts as a float; true and false are not numbers."""
    if kind is float and type(value) is int:
        # An integer beyond all floats stays one, and is refused.
        with suppress(OverflowError):
            value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{_name(place)} is {reprlib.repr(value)}, not of type {kind.__name__}")
    return value


def _name(place: str) -> str:
    return place.removeprefix(".") or "the value"
