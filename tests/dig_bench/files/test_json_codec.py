"""JSON becomes the dataclass that it was written from, or an error that says where it is another."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from dig_bench.files import json_codec


@dataclass(frozen=True, kw_only=True)
class Part:
    size: float
    kind: Literal["round", "flat"] = "flat"


@dataclass(frozen=True, kw_only=True)
class Whole:
    name: str
    count: int
    shape: tuple[int, int]
    parts: Sequence[Part] = ()
    by_name: Mapping[str, Part] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    note: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


WHOLE = Whole(
    name="x",
    count=2,
    shape=(3, 4),
    parts=[Part(size=0.5), Part(size=1.0, kind="round")],
    by_name={"a": Part(size=2.0)},
    curve=(1.0, 2.0),
    more={"free": [1, "two", None]},
)


def test_values_read_back_equal() -> None:
    assert json_codec.build(Whole, json_codec.parse(json.dumps(asdict(WHOLE)))) == WHOLE


def test_defaults_may_be_missing_and_a_whole_number_is_a_float() -> None:
    found = json_codec.build(Whole, {"name": "x", "count": 2, "shape": [3, 4], "curve": [1]})
    assert found == Whole(name="x", count=2, shape=(3, 4), curve=(1.0,))
    assert isinstance(found.curve[0], float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, "name is 3, not of type str"),
        ({"name": None}, "name is None, not of type str"),
        ({"count": 2.5}, r"count is 2\.5, not of type int"),
        ({"count": True}, "count is True, not of type int"),
        ({"shape": [3]}, "shape has 1 parts, not 2"),
        ({"shape": "34"}, "shape is '34', not of type list"),
        ({"parts": {}}, "parts is {}, not of type list"),
        ({"parts": [{"size": 1}, {"size": "big"}]}, r"parts\[1\]\.size is 'big', not of type float"),
        ({"parts": [{}]}, r"parts\[0\]\.size is missing"),
        ({"parts": [{"size": 1, "kind": "square"}]}, r"parts\[0\]\.kind is 'square', not one of round, flat"),
        ({"parts": [{"size": 1, "kind": []}]}, r"parts\[0\]\.kind is \[\], not one of"),
        ({"by_name": {"b": 1}}, r"by_name\.b is 1, not of type Mapping"),
        ({"curve": [True]}, r"curve\[0\] is True, not of type float"),
        ({"curve": [10**400]}, r"curve\[0\] is 1000000.*, not of type float"),
        ({"note": 1}, "note is 1, not of type str"),
        ({"other": 1}, "other is unknown"),
    ],
)
def test_a_value_of_another_type_is_named_by_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        json_codec.build(Whole, json.loads(json.dumps(asdict(WHOLE))) | change)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("[" * 100_000, id="nested"),
        pytest.param('{"a":' * 100_000, id="nested objects"),
        b"\xff\xfe\x00",
        "{",
        "",
    ],
)
def test_malformed_json_is_a_value_error(content: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        json_codec.parse(content)


def test_a_top_level_value_of_another_type_is_named() -> None:
    with pytest.raises(ValueError, match=r"the value is \[\], not of type Mapping"):
        json_codec.build(Whole, [])


def test_a_file_name_that_is_not_utf_8_is_encoded_and_read_back() -> None:
    name = b"caf\xe9.py".decode(errors="surrogateescape")
    assert json_codec.parse(json_codec.dumps([name, "é"]).encode()) == [name, "é"]
