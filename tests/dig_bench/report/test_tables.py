"""Numbers, groups and selections behind the report's figures."""

from dataclasses import replace

import pandas as pd
import pytest

from dig_bench.render.numbers import MISSING, interval, percent, significant
from dig_bench.render.text import plain
from dig_bench.report import summary, tables
from dig_bench.report.series import of_one_size, panels, prepare
from dig_bench.results.names import split
from report_rows import frame, row, sweep


def point(points: pd.DataFrame, name: str, resolution_px: int) -> pd.Series:
    (found,) = points[(points["name"] == name) & (points["resolution_px"] == resolution_px)].index
    return points.loc[found]


@pytest.mark.parametrize(
    ("model", "family", "size"),
    [
        ("DiG-S/2", "DiG", "S/2"),
        ("U-DiG-XL/4", "U-DiG", "XL/4"),
        ("DiG-S/2-skip", "DiG", "S/2"),
        ("MyNet-XS/2", "MyNet", "XS/2"),
        ("MyNet", "MyNet", ""),
        ("", "", ""),
    ],
)
def test_a_models_name_has_a_family_and_a_size(model: str, family: str, size: str) -> None:
    assert split(model) == (family, size)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01234, "0.0123"),
        (4.567, "4.57"),
        (12345.6, "12,346"),
        (-2.5, "-2.50"),
        (0, "0"),
        (1e300, "1.00e+300"),
        (1e-12, "1.00e-12"),
        (float("inf"), "∞"),
        (float("nan"), MISSING),
        (None, MISSING),
    ],
)
def test_numbers_are_rounded_to_what_matters(value: float | None, text: str) -> None:
    assert significant(value) == text


def test_a_saving_close_to_everything_keeps_a_digit() -> None:
    assert percent(0.8049) == "80\N{NO-BREAK SPACE}%"
    assert percent(0.996) == "99.6\N{NO-BREAK SPACE}%"


def test_an_interval_is_left_out_where_there_is_none() -> None:
    assert interval(2.1, 2.05, 2.15) == "2.10 (2.05 to 2.15)"
    assert interval(2.1, float("nan"), float("nan")) == "2.10"


def test_labels_hold_nothing_that_a_drawing_would_act_upon() -> None:
    assert plain("a\nb\0c") == "a b c"
    assert not plain("_hidden").startswith("_")
    assert len(plain("x" * 500)) == 60


def test_speed_follows_from_the_median_latency_and_so_does_its_interval() -> None:
    data = prepare(frame([row("DiG-S/2@fla", 512, batch_size=4)]))
    latency = data.iloc[0]
    found = point(tables.speed(data), "DiG-S/2@fla", 512)
    assert found["value"] == pytest.approx(4000 / latency["latency_ms_median"])
    assert found["low"] == pytest.approx(4000 / latency["latency_ms_ci_high"])
    assert found["low"] < found["value"] < found["high"]
    assert found["p05"] < found["low"] < found["high"] < found["p95"]


def test_a_row_that_was_not_measured_has_no_figures() -> None:
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


def test_no_speedup_where_the_baseline_is_out_of_memory_and_the_status_says_so() -> None:
    rows = [row("DiG-S/2@fla", 512), row("DiT-S/2@math", 512, status="oom")]
    found = point(tables.speedup(prepare(frame(rows)), "DiT-S/2@math"), "DiG-S/2@fla", 512)
    assert pd.isna(found["value"])
    assert found["status"] == "no baseline: out of memory"


@pytest.mark.parametrize(
    ("models", "wanted", "baseline"),
    [
        (("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"), None, "DiT-S/2@math"),
        (("DiG-S/2@fla", "DiT-S/2@cudnn", "DiT-S/2@flash2"), None, "DiT-S/2@flash2"),
        (("DiG-S/2@fla", "DiS-S/2@mamba-ssm"), None, None),
        (("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"), "DiT@flash2", "DiT-S/2@flash2"),
        (("DiG-B/2@fla", "DiT-B/2@math", "DiT-B/2@flash2"), "DiT-S/2@flash2", "DiT-B/2@flash2"),
        (("DiG-S/2@fla", "DiT-S/2@math"), "DiG", "DiG-S/2@fla"),
        (("DiG-S/2@fla", "DiT-S/2@math"), "DiT@cudnn", None),
    ],
)
def test_the_baseline_is_vanilla_dit_the_slowest_dit_or_the_one_asked_for(
    models: tuple[str, ...], wanted: str | None, baseline: str | None
) -> None:
    data = prepare(frame(sweep(models=models, resolutions_px=(512, 1024))))
    assert tables.baseline_of(data, wanted) == baseline


def test_a_baseline_that_was_not_measured_is_refused_with_the_choices() -> None:
    data = prepare(frame(sweep(models=("DiG-S/2@fla", "DiT-S/2@math"), resolutions_px=(512,))))
    with pytest.raises(ValueError, match=r"'DiT@flash3'.*DiG-S/2@fla, DiT-S/2@math"):
        tables.check_baseline(data, "DiT@flash3")


def test_launch_bound_share_is_one_less_graph_over_eager_where_both_were_measured() -> None:
    rows = [row("DiG-S/2@fla", px, execution=way) for px in (256, 512) for way in ("eager", "graph")]
    rows += [row("DiS-S/2@mamba-ssm", 256, execution="eager")]
    data = prepare(frame(rows))
    shares = tables.launch_bound(data)
    latency = data.set_index(["name", "resolution_px", "execution"])["latency_ms_median"]
    expected = 1 - latency["DiG-S/2@fla", 256, "graph"] / latency["DiG-S/2@fla", 256, "eager"]
    assert point(shares, "DiG-S/2@fla", 256)["value"] == pytest.approx(expected)
    assert set(shares["name"]) == {"DiG-S/2@fla"}


def test_training_parts_are_of_the_largest_resolution_that_most_models_reached() -> None:
    rows = [row("DiG-S/2@fla", px, mode="train") for px in (256, 512, 1024)]
    rows += [row("DiT-S/2@math", px, mode="train") for px in (256, 512)]
    parts = tables.training_parts(prepare(frame(rows)))
    assert set(parts["resolution_px"]) == {512}
    assert list(parts["name"]) == ["DiG-S/2@fla", "DiT-S/2@math"]


@pytest.mark.parametrize(
    ("ratios", "crossover"),
    [((0.8, 1.2, 2.0), 512), ((1.1, 0.9, 2.0), 1024), ((1.1, 1.2, 1.3), 256), ((2.0, 1.5, 0.9), None)],
)
def test_the_crossover_is_where_a_model_becomes_faster_for_good(
    ratios: tuple[float, ...], crossover: int | None
) -> None:
    points = pd.DataFrame({"name": "DiG", "resolution_px": (256, 512, 1024), "value": ratios})
    assert tables.crossover_px(points, "DiG") == crossover


def test_launches_of_a_cell_become_their_median_with_an_interval_around_all() -> None:
    first = row("DiG-S/2@fla", 512)
    assert first.latency_ms_median is not None
    processes = [
        replace(
            first,
            process=process,
            latency_ms_median=factor * first.latency_ms_median,
            latency_ms_ci_low=(factor - 0.01) * first.latency_ms_median,
            latency_ms_ci_high=(factor + 0.01) * first.latency_ms_median,
        )
        for process, factor in enumerate((1.0, 1.3, 1.1), start=1)
    ]
    (merged,) = prepare(frame([*processes, replace(row("DiG-S/2@fla", 512, status="crashed"), process=4)])).to_dict(
        "records"
    )
    assert merged["latency_ms_median"] == pytest.approx(1.1 * first.latency_ms_median)
    assert merged["latency_ms_ci_low"] == pytest.approx(0.99 * first.latency_ms_median)
    assert merged["latency_ms_ci_high"] == pytest.approx(1.31 * first.latency_ms_median)


def test_the_first_panel_has_the_most_families_then_training_then_the_graph() -> None:
    rows = sweep(modes=("forward", "train"), executions=("eager", "graph"), resolutions_px=(256,))
    rows += sweep(models=("DiG-S/2@fla",), modes=("train",), precisions=("fp32",), resolutions_px=(256,))
    labels = [panel.label for panel, _ in panels(prepare(frame(rows)))]
    assert labels[0] == "train, bf16, CUDA graph, batch 1"
    assert labels[-1] == "train, fp32, CUDA graph, batch 1"
    assert len(labels) == 5


def test_a_panel_of_curves_comes_before_one_of_single_points() -> None:
    rows = sweep(modes=("forward",), resolutions_px=(256, 512, 1024)) + sweep(modes=("train",), resolutions_px=(256,))
    assert [panel.mode for panel, _ in panels(prepare(frame(rows)))] == ["forward", "train"]


def test_points_of_several_models_at_a_resolution_each_make_no_curve() -> None:
    models = ("DiG-S/2@fla", "DiG-S/2@chunked", "DiG-S/2@reference")
    rows = [
        each
        for model, px in zip(models, (256, 512, 1024), strict=True)
        for each in sweep((model,), modes=("forward",), resolutions_px=(px,))
    ]
    rows += sweep(models[:1], modes=("train",), resolutions_px=(256,))
    assert [panel.mode for panel, _ in panels(prepare(frame(rows)))] == ["train", "forward"]


def test_curves_over_resolution_are_of_the_sizes_that_were_swept_over_it() -> None:
    rows = sweep(models=("DiG-S/2@fla", "MyNet@ours"), resolutions_px=(256, 512, 1024))
    rows += sweep(models=("DiG-XL/2@fla",), resolutions_px=(1024, 2048))
    ((size, of_size),) = of_one_size(prepare(frame(rows)))
    assert size == "S/2"
    assert set(of_size["name"]) == {"DiG-S/2@fla", "MyNet@ours"}


def test_of_sizes_at_few_resolutions_the_smallest_and_the_largest_have_curves() -> None:
    models = [f"DiG-{size}/2@fla" for size in ("XL", "L", "B", "S")]
    data = prepare(frame(sweep(models=models, resolutions_px=(1024, 2048))))
    assert [size for size, _ in of_one_size(data)] == ["S/2", "XL/2"]


def test_the_findings_name_the_other_sizes_in_short() -> None:
    models = [
        f"{model}-{size}/2@{backend}" for model, backend in (("DiG", "fla"), ("DiT", "math")) for size in ("S", "XL")
    ]
    *_, last = summary.findings(prepare(frame(sweep(models=models, resolutions_px=(512, 1024)))), None)
    assert "DiG-XL/2@fla runs at" in last
    assert "times the speed of DiT-XL/2@math" in last


def test_the_findings_are_computed_from_the_rows() -> None:
    data = prepare(frame(sweep()))
    ratio = point(tables.speedup(data, "DiT-S/2@math"), "DiG-S/2@fla", 1280)
    first, crossover, strongest = summary.findings(data, None)
    assert first.startswith(
        "At 1280\N{NO-BREAK SPACE}px, the largest resolution that both were measured at, DiG-S/2@fla"
    )
    assert interval(ratio["value"], ratio["low"], ratio["high"]) in first
    assert f"{percent(ratio['memory_saving'])} less memory" in first
    assert crossover == "DiG-S/2@fla is the faster of the two from 512 px on."
    assert "DiT-S/2@cudnn" in strongest
    assert "At 1792" in strongest


def test_the_findings_follow_the_baseline_and_say_when_dig_is_slower() -> None:
    data = prepare(frame(sweep(resolutions_px=(256, 512))))
    first, crossover, *_ = summary.findings(data, "DiT@flash2")
    assert "DiT-S/2@flash2" in first
    assert "is not faster than DiT-S/2@flash2" in crossover


def test_there_are_no_findings_without_something_to_compare() -> None:
    assert not list(summary.findings(prepare(frame(sweep(models=("DiS-S/2@mamba-ssm",)))), None))
    assert not list(summary.findings(prepare(frame([])), None))
