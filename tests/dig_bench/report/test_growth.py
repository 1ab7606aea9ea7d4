"""Growth exponents and crossovers: planted ones are found, and too little data says nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dig_bench.cell import Row
from dig_bench.report.growth import Crossover, crossovers, exponent, exponents
from dig_bench.report.sections import Section, Sections
from dig_bench.report.series import prepare
from report_rows import frame, row, sweep

TOKENS = np.array([256, 1024, 2304, 4096, 6400], dtype=float)
MODEL, BASELINE = "DiG-S/2@fla", "DiT-S/2@math"


def at(name: str, px: int, ms: float, *, spread: float | None = 0.01) -> Row:
    low, high = (None, None) if spread is None else (ms * (1 - spread), ms * (1 + spread))
    return replace(row(name, px, status="ok"), latency_ms_median=ms, latency_ms_ci_low=low, latency_ms_ci_high=high)


def duel(ms: dict[int, float], **kwargs: float | None) -> pd.DataFrame:
    """The model at these times against a baseline that always takes 10 ms."""
    rows = [at(MODEL, px, each, **kwargs) for px, each in ms.items()]
    return prepare(frame(rows + [at(BASELINE, px, 10.0, **kwargs) for px in ms]))


def section(rows: pd.DataFrame, **kwargs: str) -> Section:
    return next(each for each in Sections(rows, **kwargs) if each.id == "growth")


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, 2.0])
def test_a_pure_power_is_found_exactly(power: float) -> None:
    fit = exponent(TOKENS, 3e-4 * TOKENS**power)
    assert fit is not None
    assert fit.num_points == 5
    np.testing.assert_allclose([fit.value, fit.low, fit.high], power, atol=1e-6)


def test_the_interval_is_student_s_of_the_slope() -> None:
    T, y = np.exp([0.0, 1.0, 2.0]), np.exp([0.0, 2.0, 2.0])
    fit = exponent(T, y)
    assert fit is not None
    # Residuals -1/3, 2/3, -1/3: s^2 = 2/3, over a sum of squares of 2; t of one degree of freedom.
    half = 12.7062047 * np.sqrt(1 / 3)
    np.testing.assert_allclose([fit.value, fit.low, fit.high], [1.0, 1.0 - half, 1.0 + half], rtol=1e-6)


@pytest.mark.parametrize(
    ("tokens", "values"),
    [([256, 1024], [1, 2]), ([256, 256, 1024], [1, 1, 2]), ([256, 1024, 4096], [1, 2, np.nan]), ([0, 1, 2], [1, 2, 3])],
)
def test_two_places_have_no_exponent(tokens: list[float], values: list[float]) -> None:
    assert exponent(tokens, values) is None


def test_the_largest_resolutions_tell_the_quadratic_term_that_all_of_them_hide() -> None:
    fits = exponents(prepare(frame(sweep(models=(MODEL, BASELINE)))))
    value = fits.set_index(["name", "quantity", "span"])["value"]
    assert value[BASELINE, "time", "all"] < value[BASELINE, "time", "largest"] < 2
    assert value[MODEL, "time", "all"] < value[MODEL, "time", "largest"] < 1
    largest = fits[fits["span"] == "largest"]
    assert set(largest["num_points"]) == {3}
    assert set(fits.loc[(fits["span"] == "all") & (fits["name"] == MODEL), "num_points"]) == {8}


def test_a_crossover_lies_on_the_line_between_its_neighbours() -> None:
    (found,) = crossovers(duel({256: 20.0, 512: 20.0, 1024: 5.0, 2048: 2.5}), MODEL, BASELINE)
    assert found.px == pytest.approx(np.sqrt(512 * 1024))
    assert found.is_faster_above
    assert found.low_px is not None
    assert found.high_px is not None
    # The bounds of the ratio are off by (1 + s) / (1 - s); speed doubles twice over the octave.
    off = 512 * 2**0.5 * ((1.01 / 0.99) ** 0.5 - 1)
    np.testing.assert_allclose([found.px - found.low_px, found.high_px - found.px], off, rtol=0.03)


def test_every_change_is_told_and_in_which_direction() -> None:
    found = crossovers(duel({256: 20.0, 512: 5.0, 1024: 20.0, 2048: 5.0}), MODEL, BASELINE)
    assert [each.is_faster_above for each in found] == [True, False, True]
    assert [each.px for each in found] == pytest.approx([256 * 2**0.5, 512 * 2**0.5, 1024 * 2**0.5])


def test_an_interval_that_reaches_the_end_of_what_was_measured_is_open() -> None:
    (found,) = crossovers(duel({256: 10.1, 512: 9.0, 1024: 5.0}), MODEL, BASELINE)
    assert found.low_px is None
    assert found.high_px is not None
    (unknown,) = crossovers(duel({256: 20.0, 512: 5.0}, spread=None), MODEL, BASELINE)
    assert unknown == Crossover(px=unknown.px, low_px=None, high_px=None, is_faster_above=True)


def test_who_is_always_faster_or_out_of_memory_has_no_crossover() -> None:
    assert crossovers(duel({256: 9.0, 512: 5.0, 1024: 2.0}), MODEL, BASELINE) == []
    gone = [row(name, px, status="oom") for name in (MODEL, BASELINE) for px in (256, 512)]
    assert crossovers(prepare(frame(gone)), MODEL, BASELINE) == []


def test_the_section_has_both_quantities_and_the_crossovers_of_the_baseline() -> None:
    models = (MODEL, BASELINE, "DiT-S/2@flash2")
    time, memory, crossing = section(prepare(frame(sweep(models=models)))).groups[0]
    assert [plot.title for plot in (time, memory, crossing)] == [
        "Growth of time with the number of tokens",
        "Growth of memory with the number of tokens",
        f"Crossovers with {BASELINE}",
    ]
    assert list(time.table.columns) == ["all resolutions", "the 3 largest"]
    assert time.table.loc[MODEL, "all resolutions"].endswith("8 points")
    assert list(crossing.table.index) == [MODEL, "DiT-S/2@flash2"]
    assert crossing.table.loc["DiT-S/2@flash2", "crossover"] == "faster from 256 to 1280 px"
    assert "faster above 4" in crossing.table.loc[MODEL, "crossover"]
    other = section(prepare(frame(sweep(models=models))), baseline=MODEL).groups[0][-1]
    assert list(other.table.index) == [BASELINE, "DiT-S/2@flash2"]


def test_two_resolutions_have_crossovers_and_no_exponents() -> None:
    (plots,) = section(prepare(frame(sweep(models=(MODEL, BASELINE), resolutions_px=(256, 1024))))).groups
    assert [plot.topic for plot in plots] == ["crossover"]
