"""Table of a step's executions: latency, kernel launches, gaps between kernels, energy."""

from __future__ import annotations

from dig_bench.profile.output.text import Text, ms
from dig_bench.profile.record import Gaps, Profile
from dig_bench.render.numbers import MISSING, percent, significant

GAPS = (
    "Gaps: time within a step in which no kernel runs, in a trace of steps in their steady state. The profiler may "
    "lengthen them; none are given where a traced step takes over 20 % longer than an untraced one."
)


def gaps(profile: Profile) -> Text:
    """Returns latencies and kernel launches, and gaps and energy where they are known."""
    has_energy = profile.joules_per_image is not None
    has_gaps = any(each.shows_gaps for each in profile.gaps)
    return Text(
        title=f"Kernel launches{' and the gaps between kernels' if has_gaps else ''}",
        columns=[
            "execution",
            "latency ms",
            "host ms",
            "kernels ms",
            "kernel launches",
            *(["gaps ms", "gaps share", "gap us per launch"] if has_gaps else []),
            *(["J per step", "W", "MHz"] if has_energy else []),
        ],
        rows=[
            [
                each.execution,
                ms(each.latency_ms),
                "" if each.host_ms is None else ms(each.host_ms),
                ms(each.busy_ms),
                significant(each.kernel_launches, 4),
                *(_gaps(each) if has_gaps else []),
                *(
                    [significant(each.joules), significant(each.power_w), significant(each.sm_clock_mhz, 4)]
                    if has_energy
                    else []
                ),
            ]
            for each in profile.gaps
        ],
        note=GAPS if has_gaps else "",
    )


def _gaps(found: Gaps) -> list[str]:
    if not found.shows_gaps or found.gap_share is None:
        return [MISSING] * 3
    return [significant(found.gap_ms), percent(found.gap_share), significant(found.gap_us_per_launch)]
