"""The first sentences of the page: they claim what the intervals carry, against the fastest competitor."""

import random

import pytest

from dig_bench.cell import Row
from dig_bench.render.numbers import interval, percent
from dig_bench.report import tables
from dig_bench.report.prepare import prepare
from dig_bench.report.summary import findings
from report_rows import MANIFEST, frame, processes, row, sweep


def said(rows: list[Row]) -> list[str]:
    return findings(prepare(frame(rows), MANIFEST))


def timed(name: str, px: int, ms: float, *, width: float = 0.01, **fields: object) -> Row:
    ends = {"latency_ms_ci_low": ms * (1 - width), "latency_ms_ci_high": ms * (1 + width)}
    return row(name, px, **{"status": "ok", "latency_ms_median": ms, "peak_allocated_mib": 100.0, **ends, **fields})


def test_the_findings_name_the_other_sizes_in_short() -> None:
    models = [
        f"{model}-{size}/2@{backend}" for model, backend in (("DiG", "fla"), ("DiT", "math")) for size in ("S", "XL")
    ]
    *_, last = said(sweep(models=models, resolutions_px=(512, 1024)))
    assert "DiG-XL/2@fla runs at" in last
    assert "times the speed of DiT-XL/2@math" in last


def test_the_headline_is_the_ratio_to_the_fastest_competitor_whatever_its_backend() -> None:
    data = prepare(frame(sweep()))
    ratios = tables.speedup(data, "DiT-S/2@cudnn")
    (ratio,) = ratios[(ratios["name"] == "DiG-S/2@fla") & (ratios["resolution_px"] == 1792)].to_dict("records")
    first, by_resolution = findings(data)
    assert first.startswith("At 1792\N{NO-BREAK SPACE}px DiG-S/2@fla runs at")
    assert f"{interval(ratio['value'], ratio['low'], ratio['high'])} times the speed of DiT-S/2@cudnn" in first
    assert f"{percent(abs(ratio['memory_saving']))} more memory" in first
    assert first.endswith("(one process; train · bf16 · CUDA graph · batch 1 · test data, no device).")
    assert by_resolution.startswith(
        "Against the fastest competitor at each resolution, DiG-S/2@fla is slower from 256 "
    )


def test_a_single_competitor_is_called_the_only_one() -> None:
    first, *_ = said(sweep(models=("DiG-S/2@fla", "DiT-S/2@math")))
    assert "DiT-S/2@math, the only competitor measured" in first


def test_a_ratio_whose_interval_holds_one_is_no_difference() -> None:
    """The latencies of a demo page that called the smaller one faster."""
    rows = [timed("DiG-S/2@chunked", 512, 348.27), timed("DiT-S/2@sdpa", 512, 348.59)]
    (sentence,) = said(rows)
    assert "DiG-S/2@chunked and DiT-S/2@sdpa, the only competitor measured, are indistinguishable in speed" in sentence
    assert "runs at" not in sentence
    assert "faster" not in sentence


def test_without_an_interval_nothing_is_claimed() -> None:
    none = {"latency_ms_ci_low": None, "latency_ms_ci_high": None}
    (sentence,) = said([timed("DiG-S/2@fla", 512, 1.0, **none), timed("DiT-S/2@math", 512, 3.0)])
    assert "are indistinguishable in speed: a latency has no interval" in sentence


@pytest.mark.parametrize(
    ("latencies", "says"),
    [
        ({256: 20, 512: 5, 1024: 2}, "is slower at 256 px and faster from 512 to 1024 px (one process)."),
        (
            {256: 20, 512: 10, 1024: 2},
            "is slower at 256 px, indistinguishable at 512 px and faster at 1024 px; the crossover lies between 256 "
            "and 1024 px (one process).",
        ),
        (
            {256: 10, 512: 10, 1024: 2},
            "is indistinguishable from 256 to 512 px and faster at 1024 px; a crossover, if there is one, lies below "
            "1024 px (one process).",
        ),
        ({256: 2, 512: 2, 1024: 2}, "is faster from 256 to 1024 px (one process)."),
        (
            {256: 2, 512: 10, 1024: 2},
            "faster at 256 px, indistinguishable at 512 px and faster at 1024 px (one process).",
        ),
        ({256: 20, 512: 2, 1024: 10}, "faster at 512 px and indistinguishable at 1024 px (one process)."),
    ],
)
def test_a_crossover_is_stated_where_the_intervals_separate_and_is_a_range_elsewhere(
    latencies: dict[int, float], says: str
) -> None:
    rows = [timed("DiG-S/2@fla", px, ms) for px, ms in latencies.items()]
    rows += [timed("DiT-S/2@math", px, 10.0) for px in latencies]
    _, by_resolution = said(rows)
    assert by_resolution.endswith(says)


def test_faster_means_faster_than_every_competitor() -> None:
    """The fastest by its median is certain to be slower than DiG, another one is too uncertain."""
    rows = [timed("DiG-S/2@fla", px, 9.0) for px in (256, 512)]
    rows += [timed("DiT-S/2@math", px, 10.0) for px in (256, 512)]
    rows += [timed("DiT-S/2@flash2", px, 11.0, width=0.5) for px in (256, 512)]
    headline, by_resolution = said(rows)
    assert "1.11 (1.09 to 1.13) times the speed of DiT-S/2@math" in headline
    assert "is indistinguishable from 256 to 512 px" in by_resolution


def test_a_competitor_under_other_conditions_is_no_opponent() -> None:
    ours = timed("DiG-S/2@fla", 512, 1.0)
    for other in ({"precision": "fp32"}, {"execution": "compile"}, {"batch_size": 2}, {"state": "burst"}):
        assert said([ours, timed("DiT-S/2@math", 512, 3.0, **other)]) == [], other
    for status in ("throttled", "oom"):
        assert said([ours, row("DiT-S/2@math", 512, status=status)]) == [], status
    assert said([ours, timed("DiT-S/2@reference", 512, 3.0), timed("U-DiG-S/2@fla", 512, 3.0)]) == []


def test_one_side_alone_at_the_power_limit_is_named_beside_the_ratio() -> None:
    rows = [timed("DiG-S/2@fla", px, 1.0) for px in (256, 512)]
    capped = {"timing_throttle_reasons": "sw_power_cap"}
    rows += [timed("DiT-S/2@math", 256, 3.0), timed("DiT-S/2@math", 512, 3.0, **capped)]
    headline, by_resolution = said(rows)
    assert "(one process; DiT-S/2@math at the power limit, DiG-S/2@fla not; " in headline
    assert by_resolution.endswith("(one process; one side alone at the power limit at 512 px).")


def test_a_negligible_difference_of_memory_is_none() -> None:
    ours = timed("DiG-S/2@fla", 512, 1.0)
    (sentence,) = said([ours, timed("DiT-S/2@math", 512, 3.0, peak_allocated_mib=130.0)])
    assert "memory" not in sentence
    (sentence,) = said([ours, timed("DiT-S/2@math", 512, 3.0, peak_allocated_mib=200.0)])
    assert "needs 50\N{NO-BREAK SPACE}% less memory" in sentence
    on_cpu = [timed("DiG-S/2@fla", 512, 1.0, device="cpu")]
    on_cpu += [timed("DiT-S/2@math", 512, 3.0, peak_allocated_mib=200.0, device="cpu")]
    assert "memory" not in said(on_cpu)[0]
    assert "less memory" in said(processes(on_cpu))[0]


def test_three_processes_need_no_label_and_one_of_fewer_has_one() -> None:
    ours = processes([timed("DiG-S/2@fla", 512, 1.0)])
    assert "(3 processes; " in said([*ours, *processes([timed("DiT-S/2@math", 512, 3.0)])])[0]
    assert "(3 processes against one process; " in said([*ours, timed("DiT-S/2@math", 512, 3.0)])[0]


def test_equal_models_are_seldom_called_different_by_three_processes() -> None:
    """Simulates processes that differ by 2 % although their own intervals are 0.1 % wide."""
    numbers, called = random.Random(7), 0
    for _ in range(80):
        rows = [
            timed(name, 512, 10.0 * (1 + numbers.gauss(0, 0.02)), width=0.001, process=process)
            for name in ("DiG-S/2@fla", "DiT-S/2@math")
            for process in (1, 2, 3)
        ]
        called += "runs at" in said(rows)[0]
    assert called / 80 < 0.1


def test_there_are_no_findings_without_something_to_compare() -> None:
    assert said(sweep(models=("DiS-S/2@mamba-ssm",))) == []
    assert said([]) == []
