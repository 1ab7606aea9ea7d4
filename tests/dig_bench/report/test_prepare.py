"""Rows made ready for figures."""

from dataclasses import replace

import pytest

from dig_bench.report.prepare import prepare
from report_rows import frame, row


def test_processes_of_a_cell_become_their_median_with_an_interval_around_all() -> None:
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
