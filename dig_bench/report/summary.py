"""First sentences of the page: DiG against the fastest competitor, as far as the intervals carry a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from dig_bench.compare.decision import MIN_PROCESSES
from dig_bench.render.labels import number_of_processes, processes
from dig_bench.render.numbers import interval, percent
from dig_bench.report.baseline import OURS, competitors, contenders, fastest
from dig_bench.report.panels import Panel, panels
from dig_bench.report.ratios import SpeedRatio, speed_ratio
from dig_bench.report.standings import crossover_range, joined, standing_words
from dig_bench.results.metrics import METRICS
from dig_bench.results.scaling import Standing, stretches

_PAPER_PX = 1792
"""Resolution of the paper's headline."""


def findings(data: pd.DataFrame) -> list[str]:
    """Returns sentences on the first panel that has any, one more for each other model size.

    The opponent is the fastest competitor measured under the same conditions, whatever its backend. Empty without a DiG
    or a competitor.
    """
    for panel in panels(data):
        by_size = [list(_of_panel(part)) for part in panel.by_size()]
        if any(by_size):
            first, *others = filter(None, by_size)
            return first + [sentences[0] for sentences in others]
    return []


def _of_panel(panel: Panel) -> Iterator[str]:
    found, theirs = contenders(panel.rows), competitors(panel.rows)
    ours = found[found["family"] == OURS]
    shared = set(ours["resolution_px"]) & set(theirs["resolution_px"])
    if not shared:
        return
    px = _PAPER_PX if _PAPER_PX in shared else max(shared)
    our_fastest = fastest(ours[ours["resolution_px"] == px]).iloc[0]
    opponent = fastest(theirs[theirs["resolution_px"] == px]).iloc[0]
    rank = "fastest" if theirs["name"].nunique() > 1 else "only"
    largest = ", the largest resolution measured for both," if px == max(shared) else ""
    yield (
        f"At {px:.0f}\N{NO-BREAK SPACE}px{largest} "
        f"{_headline(our_fastest, opponent, f'the {rank} competitor measured', panel.conditions)}"
    )
    curve = ours[(ours["name"] == our_fastest["name"]) & ours["resolution_px"].isin(shared)]
    if len(curve) > 1:
        ratios = {
            float(row["resolution_px"]): [
                speed_ratio(row, other)
                for _, other in theirs[theirs["resolution_px"] == row["resolution_px"]].iterrows()
            ]
            for _, row in curve.sort_values("resolution_px").iterrows()
        }
        yield _by_resolution(str(our_fastest["name"]), ratios)


def _headline(ours: pd.Series, opponent: pd.Series, rank: str, conditions: str) -> str:
    ratio = speed_ratio(ours, opponent)
    times = interval(ratio.value, ratio.low, ratio.high)
    against = f"{_named(opponent)}, {rank}"
    if ratio.standing == "indistinguishable":
        # Without an interval the ratio alone would look like a difference.
        value = f"{times} times the speed" if ratio.low == ratio.low else "a latency has no interval"
        sentence = f"{_named(ours)} and {against}, are indistinguishable in speed: {value}"
    else:
        sentence = f"{_named(ours)} runs at {times} times the speed of {against}"
    if saving := _memory(ours, opponent):
        sentence += f"; {ours['name']} {saving}"
    return f"{sentence} ({'; '.join(filter(None, (ratio.evidence, ratio.power, conditions)))})."


def _named(row: pd.Series) -> str:
    return str(row["name"]) if row["status"] == "ok" else f"{row['name']} ({row['status']})"


def _memory(ours: pd.Series, opponent: pd.Series) -> str:
    """`needs 12 % less memory`; empty where the difference is negligible.

    Allocators repeat their peak. A CPU's resident set differs between processes: few of them carry no difference.
    """
    if ours["device"] == "cpu" and min(ours["num_processes"], opponent["num_processes"]) < MIN_PROCESSES:
        return ""
    our_mib, their_mib = ours["peak_allocated_mib"], opponent["peak_allocated_mib"]
    threshold = METRICS["memory"].threshold
    if not abs(our_mib - their_mib) > max(threshold.relative * their_mib, threshold.absolute):
        return ""
    saving = 1 - our_mib / their_mib
    return f"needs {percent(abs(saving))} {'less' if saving > 0 else 'more'} memory"


def _by_resolution(name: str, ratios: dict[float, list[SpeedRatio]]) -> str:
    """Returns the sentence on all resolutions. `ratios` are those to every competitor there."""
    found = stretches((px, _standing(there)) for px, there in ratios.items())
    counts = {each.processes for there in ratios.values() for each in there}
    evidence = processes(*counts.pop()) if len(counts) == 1 else f"as few as {_fewest(counts)} at a resolution"
    capped = [f"{px:.0f}" for px, there in ratios.items() if any(each.power for each in there)]
    power = f"one side alone at the power limit at {joined(capped)} px" if capped else ""
    sentence = f"Against the fastest competitor at each resolution, {name} is {joined(standing_words(found))}"
    return (
        f"{'; '.join(filter(None, (sentence, crossover_range(found))))} ({'; '.join(filter(None, (evidence, power)))})."
    )


def _fewest(counts: set[tuple[int, int]]) -> str:
    return number_of_processes(min(map(min, counts)))


def _standing(ratios: Sequence[SpeedRatio]) -> Standing:
    """Standing against all competitors: faster than each, slower than any, or neither for certain."""
    if any(ratio.standing == "slower" for ratio in ratios):
        return "slower"
    return "faster" if all(ratio.standing == "faster" for ratio in ratios) else "indistinguishable"
