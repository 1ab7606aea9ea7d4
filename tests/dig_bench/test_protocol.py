"""The protocol refuses values out of range, and reaches a worker unchanged."""

from dataclasses import asdict, replace

import pytest

from dig_bench.cell import PRECISIONS
from dig_bench.protocol import Protocol


def test_every_precision_has_a_tolerance_that_grows_with_coarseness() -> None:
    tolerances = {precision: Protocol().tolerance(precision) for precision in PRECISIONS}
    assert sorted(tolerances, key=tolerances.__getitem__) == ["fp32", "tf32", "fp16", "bf16"]


def test_a_protocol_survives_json_fields() -> None:
    protocol = Protocol(min_samples=3, memory=False)
    assert Protocol(**asdict(protocol)) == protocol


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout_s", 0),
        ("max_samples", -1),
        ("warmup_seconds", -0.1),
        ("tolerance_bf16", float("nan")),
        ("check_grid", 0),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        replace(Protocol(), **{field: value})


def test_min_samples_above_max_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="min_samples 20 is above max_samples 10"):
        Protocol(min_samples=20, max_samples=10)


@pytest.mark.parametrize("field", ["warmup_seconds", "min_seconds", "energy_seconds"])
def test_durations_can_be_zero(field: str) -> None:
    assert getattr(Protocol(**{field: 0}), field) == 0  # type: ignore[arg-type]
