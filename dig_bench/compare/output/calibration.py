"""Text for a terminal: the noise between processes, and the recommendation that follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from dig_bench.compare.calibrate import Calibrated
from dig_bench.compare.output import words
from dig_bench.compare.recommendation import Recommendation
from dig_bench.render.numbers import fine_percent
from dig_bench.render.text import log_line
from dig_bench.results.metrics import METRICS

SHOWN_PROCESSES = (3, 5, 10, 20)
"""Processes per side whose smallest detectable slow-down is shown."""


def tables(found: Calibrated) -> Iterator[Table]:
    """Yields a table of all cells for each metric."""
    for metric in dict.fromkeys(spread.metric for spread in found.spreads):
        shown = (1,) if METRICS[metric].repeatable else SHOWN_PROCESSES
        table = Table(
            METRICS[metric].title,
            "processes",
            f"median, {METRICS[metric].unit}",
            "noise",
            *(["detected"] if METRICS[metric].repeatable else [f"detected by {count}" for count in shown]),
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for spread in found.spreads:
            if spread.metric == metric:
                table.add_row(
                    Text(log_line(str(spread.key))),
                    str(spread.processes),
                    words.value(spread.median, metric),
                    fine_percent(spread.noise.sd, 2),
                    *(_detected(spread.smallest_found(count, found.settings)) for count in shown),
                )
        yield table


def lines(found: Calibrated) -> Iterator[str]:
    """Yields what the tables mean, and the recommendation."""
    yield "Noise: standard deviation between processes of the same code. Detected by N: the smallest slow-down that a"
    yield "comparison with N processes per side, and as many to confirm it, calls slower in nine cases of ten."
    for text in found.left_out:
        yield f"left out: {log_line(text)}"
    itself = found.against_itself
    yield f"Half of the processes against the other half: {words.headline(itself).lower()}. {words.counts(itself)}."
    if found.recommendation:
        yield from _advice(found.recommendation)


def _advice(advice: Recommendation) -> Iterator[str]:
    noisiest = f"{log_line(str(advice.noisiest.key))}, noise {fine_percent(advice.noisiest.noise.sd, 2)}"
    change = _detected(advice.change)
    if advice.detects:
        yield f"Recommended: --processes {advice.processes}, which detects {change} in every cell."
    else:
        yield (
            f"Not even {advice.processes} processes detect {change} in every cell ({noisiest}): "
            "use a quieter machine, longer sampling or fewer cells."
        )
    if advice.settles:
        yield f"--max-processes {advice.max_processes} settles every unchanged cell."
    elif advice.slower_than is not None:
        yield (
            f"Not even {advice.max_processes} processes settle every unchanged cell ({noisiest}); "
            f"with --slower-than {100 * advice.slower_than:g}% they do."
        )
    else:
        yield f"Not even {advice.max_processes} processes settle every unchanged cell at any threshold ({noisiest})."


def _detected(share: float) -> str:
    return "over 100x" if math.isinf(share) else fine_percent(share)
