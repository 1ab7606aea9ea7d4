"""Text of `--plan`: the cells, what cannot run, the estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dig_bench.plan.sweep import Sweep


def plan_text(sweep: Sweep) -> str:
    """Returns one line per cell, one per reason why cells cannot run here, and one with the total."""
    from dig_bench.plan.estimate import estimate
    from dig_bench.render.numbers import duration, significant
    from dig_bench.render.text import count

    found = estimate(sweep)
    cells = [f"{cell}  {significant(flops / 1e9, 4)} GFLOP per step" for cell, flops in found.step_flops.items()]
    num_unavailable = sum(each.count for each in found.unavailable)
    unavailable = f", {num_unavailable} unavailable here" if num_unavailable else ""
    total = (
        f"{count(len(cells), 'cell')} in {count(found.num_workers, 'worker')}{unavailable}: "
        f"about {duration(found.seconds)} (a guess: {found.flops_per_s / 1e12:g} TFLOP/s, no compilation)"
    )
    return "\n".join([*cells, *map(str, found.unavailable), total])
