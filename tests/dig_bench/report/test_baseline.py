"""The baseline that speed-ups are against."""

import pytest

from dig_bench.report.baseline import baseline_of, check_baseline
from dig_bench.report.prepare import prepare
from report_rows import frame, row, sweep


@pytest.mark.parametrize(
    ("models", "wanted", "baseline"),
    [
        (("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"), None, "DiT-S/2@flash2"),
        (("DiG-S/2@fla", "DiT-S/2@cudnn", "DiT-S/2@flash2"), None, "DiT-S/2@cudnn"),
        (("DiG-S/2@fla", "DiS-S/2@mamba-ssm"), None, "DiS-S/2@mamba-ssm"),
        (("DiG-S/2@fla", "DiG-S/2@chunked", "U-DiG-S/2@fla"), None, None),
        (("DiG-S/2@fla", "DiT-S/2@reference"), None, None),
        (("DiG-S/2@fla", "DiT-S/2@math", "DiT-S/2@flash2"), "DiT@flash2", "DiT-S/2@flash2"),
        (("DiG-B/2@fla", "DiT-B/2@math", "DiT-B/2@flash2"), "DiT-S/2@flash2", "DiT-B/2@flash2"),
        (("DiG-S/2@fla", "DiT-S/2@math"), "DiG", "DiG-S/2@fla"),
        (("DiG-S/2@fla", "DiT-S/2@math"), "DiT@cudnn", None),
    ],
)
def test_the_baseline_is_the_fastest_competitor_or_the_one_asked_for(
    models: tuple[str, ...], wanted: str | None, baseline: str | None
) -> None:
    data = prepare(frame(sweep(models=models, resolutions_px=(512, 1024))))
    assert baseline_of(data, wanted) == baseline


def test_a_baseline_that_was_not_measured_is_refused_with_the_choices() -> None:
    data = prepare(frame(sweep(models=("DiG-S/2@fla", "DiT-S/2@math"), resolutions_px=(512,))))
    with pytest.raises(ValueError, match=r"'DiT@flash3'.*DiG-S/2@fla, DiT-S/2@math"):
        check_baseline(data, "DiT@flash3")


def test_the_baseline_is_the_fastest_at_the_most_resolutions() -> None:
    rows = [row("DiG-S/2@fla", px, latency_ms_median=5.0) for px in (256, 512, 1024)]
    rows += [row("DiT-S/2@math", px, latency_ms_median=9.0, status="ok") for px in (256, 512)]
    rows += [row("DiT-S/2@flash2", px, latency_ms_median=10.0) for px in (256, 512, 1024)]
    assert baseline_of(prepare(frame(rows))) == "DiT-S/2@math"


def test_a_throttled_row_is_no_competitor() -> None:
    rows = [row("DiG-S/2@fla", 256), row("DiT-S/2@math", 256, status="throttled")]
    assert baseline_of(prepare(frame(rows))) is None
