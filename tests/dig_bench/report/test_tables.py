"""Points behind the figures."""

from dataclasses import replace

import pandas as pd
import pytest

from dig_bench.compare.decision import decide
from dig_bench.report import tables
from dig_bench.report.prepare import prepare
from dig_bench.results.metrics import Threshold
from report_rows import MANIFEST, frame, processes, row, sweep


def point(points: pd.DataFrame, name: str, resolution_px: int) -> pd.Series:
    (found,) = points[(points["name"] == name) & (points["resolution_px"] == resolution_px)].index
    return points.loc[found]


def test_speed_follows_from_the_median_latency_and_so_does_its_interval() -> None:
    data = prepare(frame([row("DiG-S/2@fla", 512, batch_size=4)]))
    latency = data.iloc[0]
    found = point(tables.speed(data), "DiG-S/2@fla", 512)
    assert found["value"] == pytest.approx(4000 / latency["latency_ms_median"])
    assert found["low"] == pytest.approx(4000 / latency["latency_ms_ci_high"])
    assert found["low"] < found["value"] < found["high"]
    assert found["p05"] < found["low"] < found["high"] < found["p95"]


def test_a_row_that_was_not_measured_has_no_values() -> None:
    broken = replace(row("DiG-S/2@fla", 512), status="mismatch")
    assert broken.latency_ms_median is not None
    data = prepare(frame([broken]))
    assert not data["is_measured"].any()
    assert tables.speed(data)["value"].isna().all()
    assert tables.memory(data)["value"].isna().all()


def test_a_speedup_has_the_widest_interval_that_both_latencies_allow() -> None:
    data = prepare(frame(sweep(resolutions_px=(512,))))
    latency = data.set_index("name")
    found = point(tables.speedup(data, "DiT-S/2@math"), "DiG-S/2@fla", 512)
    ours, base = latency.loc["DiG-S/2@fla"], latency.loc["DiT-S/2@math"]
    assert found["value"] == pytest.approx(base["latency_ms_median"] / ours["latency_ms_median"])
    assert found["low"] == pytest.approx(base["latency_ms_ci_low"] / ours["latency_ms_ci_high"])
    assert found["high"] == pytest.approx(base["latency_ms_ci_high"] / ours["latency_ms_ci_low"])
    assert found["memory_saving"] == pytest.approx(1 - ours["memory_gb"] / base["memory_gb"])


def test_a_speedup_of_three_processes_a_side_has_the_interval_of_their_spread() -> None:
    rows = processes([row("DiG-S/2@fla", 512), row("DiT-S/2@math", 512)], spread=0.05)
    data = prepare(frame(rows), MANIFEST)
    found = point(tables.speedup(data, "DiT-S/2@math"), "DiG-S/2@fla", 512)
    ours, base = (data.set_index("name")["latencies_ms"][name] for name in ("DiG-S/2@fla", "DiT-S/2@math"))
    decision = decide(ours, base, threshold=Threshold(relative=0.0))
    assert (found["value"], found["low"], found["high"]) == (decision.ratio, decision.ratio_low, decision.ratio_high)


def test_a_speedup_notes_the_processes_where_they_differ_and_the_side_at_the_power_limit() -> None:
    rows = [*processes([row("DiG-S/2@fla", 512)]), row("DiT-S/2@math", 512, throttle_reasons="sw_power_cap")]
    found = point(tables.speedup(prepare(frame(rows), MANIFEST), "DiT-S/2@math"), "DiG-S/2@fla", 512)
    assert found["note"] == "3 processes against one process; baseline alone at the power limit"
    alike = tables.speedup(prepare(frame(sweep(resolutions_px=(512,)))), "DiT-S/2@math")
    assert set(alike["note"]) == {""}


def test_no_speedup_where_the_baseline_is_out_of_memory_and_the_status_says_so() -> None:
    rows = [row("DiG-S/2@fla", 512), row("DiT-S/2@math", 512, status="oom")]
    found = point(tables.speedup(prepare(frame(rows)), "DiT-S/2@math"), "DiG-S/2@fla", 512)
    assert pd.isna(found["value"])
    assert found["status"] == "no baseline: out of memory"


def test_launch_overhead_is_one_minus_graph_over_eager_where_both_were_measured() -> None:
    rows = [row("DiG-S/2@fla", px, execution=way) for px in (256, 512) for way in ("eager", "graph")]
    rows += [row("DiS-S/2@mamba-ssm", 256, execution="eager")]
    data = prepare(frame(rows))
    shares = tables.launch_bound(data)
    latency = data.set_index(["name", "resolution_px", "execution"])["latency_ms_median"]
    expected = 1 - latency["DiG-S/2@fla", 256, "graph"] / latency["DiG-S/2@fla", 256, "eager"]
    assert point(shares, "DiG-S/2@fla", 256)["value"] == pytest.approx(expected)
    assert set(shares["name"]) == {"DiG-S/2@fla"}


def test_launch_overhead_notes_the_execution_at_the_power_limit() -> None:
    rows = [row("DiG-S/2@fla", 256, execution="eager")]
    rows += [row("DiG-S/2@fla", 256, execution="graph", timing_throttle_reasons="sw_power_cap")]
    (note,) = tables.launch_bound(prepare(frame(rows)))["note"]
    assert note == "graph at the power limit, eager not"


def test_training_parts_are_of_the_largest_resolution_that_most_models_reached() -> None:
    rows = [row("DiG-S/2@fla", px, mode="train") for px in (256, 512, 1024)]
    rows += [row("DiT-S/2@math", px, mode="train") for px in (256, 512)]
    parts = tables.training_parts(prepare(frame(rows)))
    assert set(parts["resolution_px"]) == {512}
    assert list(parts["name"]) == ["DiG-S/2@fla", "DiT-S/2@math"]
