"""Growth exponents and crossovers of a panel, and their section."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dig_bench.cell import Row
from dig_bench.report import tables
from dig_bench.report.growth import crossovers, exponents, measured_stretches
from dig_bench.report.prepare import prepare
from dig_bench.report.sections import Section, sections
from report_rows import frame, row, sweep

MODEL, BASELINE = "DiG-S/2@fla", "DiT-S/2@math"


def at(name: str, px: int, ms: float, *, spread: float | None = 0.01) -> Row:
    low, high = (None, None) if spread is None else (ms * (1 - spread), ms * (1 + spread))
    return replace(row(name, px, status="ok"), latency_ms_median=ms, latency_ms_ci_low=low, latency_ms_ci_high=high)


def duel(ms: dict[int, float], **kwargs: float | None) -> pd.DataFrame:
    """Speed-ups of a model with these latencies over a baseline that always takes 10 ms."""
    rows = [at(MODEL, px, each, **kwargs) for px, each in ms.items()]
    return tables.speedup(prepare(frame(rows + [at(BASELINE, px, 10.0, **kwargs) for px in ms])), BASELINE)


def ours(points: pd.DataFrame) -> pd.DataFrame:
    return points[points["name"] == MODEL].sort_values("resolution_px")


def section(rows: pd.DataFrame, **kwargs: str) -> Section:
    return next(each for each in sections(rows, **kwargs) if each.id == "growth")


def test_the_largest_resolutions_tell_the_quadratic_term_that_all_of_them_hide() -> None:
    fits = exponents(prepare(frame(sweep(models=(MODEL, BASELINE)))))
    value = fits.set_index(["name", "quantity", "span"])["value"]
    assert value[BASELINE, "time", "all"] < value[BASELINE, "time", "largest"] < 2
    assert value[MODEL, "time", "all"] < value[MODEL, "time", "largest"] < 1
    largest = fits[fits["span"] == "largest"]
    assert set(largest["num_points"]) == {3}
    assert set(fits.loc[(fits["span"] == "all") & (fits["name"] == MODEL), "num_points"]) == {8}


def test_crossovers_are_those_of_the_speeds_with_their_intervals() -> None:
    (found,) = crossovers(ours(duel({256: 20.0, 512: 20.0, 1024: 5.0, 2048: 2.5})))
    assert found.px == pytest.approx(np.sqrt(512 * 1024))
    assert found.is_faster_above
    assert found.low_px is not None
    assert found.high_px is not None
    # The ends of the ratio are off by (1 + s) / (1 - s); the ratio quadruples over the octave.
    off = 512 * 2**0.5 * ((1.01 / 0.99) ** 0.5 - 1)
    np.testing.assert_allclose([found.px - found.low_px, found.high_px - found.px], off, rtol=0.03)


def test_crossovers_are_stated_only_where_the_intervals_separate() -> None:
    unsure = ours(duel({256: 20.0, 512: 10.05, 1024: 5.0}))
    assert [each.standing for each in measured_stretches(unsure)] == ["slower", "indistinguishable", "faster"]
    assert len(crossovers(unsure)) == 1
    for points in (duel({256: 10.05, 512: 5.0}), duel({256: 20.0, 512: 5.0}, spread=None)):
        assert crossovers(ours(points)) == []


def test_a_model_that_is_always_faster_or_out_of_memory_has_no_crossover() -> None:
    always = ours(duel({256: 9.0, 512: 5.0, 1024: 2.0}))
    assert crossovers(always) == []
    assert [each.standing for each in measured_stretches(always)] == ["faster"]
    gone = [row(name, px, status="oom") for name in (MODEL, BASELINE) for px in (256, 512)]
    assert crossovers(ours(tables.speedup(prepare(frame(gone)), BASELINE))) == []


def test_the_section_has_both_quantities_and_the_crossovers_of_the_baseline() -> None:
    models = (MODEL, BASELINE, "DiT-S/2@flash2")
    data = prepare(frame(sweep(models=models)))
    time, memory, crossing = section(data, baseline=BASELINE).groups[0]
    assert [plot.title for plot in (time, memory, crossing)] == [
        "Growth of time with the number of tokens",
        "Growth of memory with the number of tokens",
        f"Crossovers with {BASELINE}",
    ]
    assert list(time.table.columns) == ["all resolutions", "the 3 largest"]
    assert time.table.loc[MODEL, "all resolutions"].endswith("8 points")
    assert list(crossing.table.index) == [MODEL, "DiT-S/2@flash2"]
    assert crossing.table.loc["DiT-S/2@flash2", "crossover"] == "faster from 256 to 1280 px"
    assert "slower at 256 px; faster from 512 to 1280 px; crossover at 4" in crossing.table.loc[MODEL, "crossover"]
    assert section(data).groups[0][-1].title == "Crossovers with DiT-S/2@flash2"


def test_a_crossover_between_indistinguishable_resolutions_is_a_range() -> None:
    rows = [at(MODEL, px, ms) for px, ms in {256: 20.0, 512: 10.05, 768: 9.95, 1024: 5.0}.items()]
    rows += [at(BASELINE, px, 10.0) for px in (256, 512, 768, 1024)]
    (text,) = section(prepare(frame(rows))).groups[0][-1].table["crossover"]
    assert text.startswith("slower at 256 px; indistinguishable from 512 to 768 px; faster at 1024 px; crossover at 6")
    assert text.endswith("the crossover lies between 256 and 1024 px")


def test_two_resolutions_have_crossovers_and_no_exponents() -> None:
    (plots,) = section(prepare(frame(sweep(models=(MODEL, BASELINE), resolutions_px=(256, 1024))))).groups
    assert [plot.topic for plot in plots] == ["crossover"]
