"""The first sentences of the page."""

from dig_bench.render.numbers import interval, percent
from dig_bench.report import tables
from dig_bench.report.prepare import prepare
from dig_bench.report.summary import findings
from report_rows import frame, sweep


def test_the_findings_name_the_other_sizes_in_short() -> None:
    models = [
        f"{model}-{size}/2@{backend}" for model, backend in (("DiG", "fla"), ("DiT", "math")) for size in ("S", "XL")
    ]
    *_, last = findings(prepare(frame(sweep(models=models, resolutions_px=(512, 1024)))), None)
    assert "DiG-XL/2@fla runs at" in last
    assert "times the speed of DiT-XL/2@math" in last


def test_the_findings_are_computed_from_the_rows() -> None:
    data = prepare(frame(sweep()))
    ratios = tables.speedup(data, "DiT-S/2@math")
    (ratio,) = ratios[(ratios["name"] == "DiG-S/2@fla") & (ratios["resolution_px"] == 1280)].to_dict("records")
    first, crossover, strongest = findings(data, None)
    assert first.startswith("At 1280\N{NO-BREAK SPACE}px, the largest resolution measured for both, DiG-S/2@fla")
    assert interval(ratio["value"], ratio["low"], ratio["high"]) in first
    assert f"{percent(ratio['memory_saving'])} less memory" in first
    assert crossover == "DiG-S/2@fla is faster than DiT-S/2@math from 512 px."
    assert "DiT-S/2@cudnn" in strongest
    assert "At 1792" in strongest


def test_the_findings_follow_the_baseline_and_say_when_dig_is_slower() -> None:
    data = prepare(frame(sweep(resolutions_px=(256, 512))))
    first, crossover, *_ = findings(data, "DiT@flash2")
    assert "DiT-S/2@flash2" in first
    assert "is not faster than DiT-S/2@flash2" in crossover


def test_there_are_no_findings_without_something_to_compare() -> None:
    assert not list(findings(prepare(frame(sweep(models=("DiS-S/2@mamba-ssm",)))), None))
    assert not list(findings(prepare(frame([])), None))
