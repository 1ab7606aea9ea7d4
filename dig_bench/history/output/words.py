"""Texts that all formats share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dig_bench.compare.conditions import Difference
from dig_bench.history.boundary import fewest_entries
from dig_bench.history.change_points import LARGE
from dig_bench.history.changes import Change
from dig_bench.history.entries import Entry
from dig_bench.history.levels import MIN_LEVEL
from dig_bench.history.order import Commits
from dig_bench.history.trends import Trends
from dig_bench.render.levels import WARN, Level, level_of
from dig_bench.render.numbers import significant
from dig_bench.render.text import count, log_line
from dig_bench.results.metrics import METRICS

MAX_DIFFERENCES = 4
"""Differences between environments that are named; further ones are counted."""

_NAMED = ("model", "backend", "resolution_px")


def label(entry: Entry) -> str:
    """Revision of an entry."""
    return log_line(entry.label, 40)


def day(entry: Entry) -> str:
    """`2026-11-23 07:32`."""
    return log_line(entry.measured_at[:16].replace("T", " "), 20)


def cell(change: Change) -> str:
    """`DiG-S/2@fla · 512 px`."""
    return log_line(change.key.only(*_NAMED).label())


def conditions(change: Change) -> str:
    """`train · bf16 · CUDA graph · batch 1 · cuda`."""
    return log_line(change.key.without(*_NAMED).label())


def metric(change: Change) -> str:
    """Title of the metric, or `status`."""
    return METRICS[change.metric].title if change.metric else "status"


def level(change: Change) -> Level:
    """Level of a change; WARN if the code did not cause it."""
    return WARN if change.cause != "revision" else level_of("worse" if change.is_worse else "better")


def size(change: Change) -> str:
    """`+5.20 % (+4.10 to +6.30)`, `ok to oom`."""
    point = change.point
    if point is None:
        return log_line(" to ".join(change.statuses))
    interval = f" ({_signed_percent(point.low)} to {_signed_percent(point.high)})" if point.low < point.high else ""
    return f"{_signed_percent(point.ratio)} %{interval}"


def between(trends: Trends, change: Change) -> str:
    """`d619b8c40a..1b2338b0aa`: the revisions between which the change lies."""
    before, after = trends.entries[change.before], trends.entries[change.after]
    return label(before) if before.label == after.label else f"{label(before)}..{label(after)}"


def cause(trends: Trends, change: Change) -> str:
    """Possible cause of a change, without a full stop."""
    before, after = trends.entries[change.before], trends.entries[change.after]
    notes = []
    match change.cause:
        case "environment":
            named = _differences(change.differences)
            notes.append(f"the environment changed as well ({named}): not attributed to a revision")
        case "same revision":
            notes.append("the same revision before and after: not the code")
        case "revision":
            notes.append(_commits(trends.commits(change)))
    if change.cause == "revision" and (before.is_dirty or after.is_dirty):
        notes.append("measured with uncommitted changes, which no revision contains")
    if change.point and change.point.entries[1] == 1:
        notes.append("seen in one entry only")
    return log_line("; ".join(filter(None, notes)))


def environment(differences: Sequence[Difference]) -> str:
    """Differences from the environment of the entry before."""
    return log_line(_differences(differences))


def counts(trends: Trends) -> str:
    """`14 entries of 12 revisions, 24 series: 2 changes for the worse, 1 change for the better`."""
    changes = Counter(change.is_worse for change in trends.changes)
    words = {True: "for the worse", False: "for the better"}
    found = [f"{count(changes[each], 'change')} {words[each]}" for each in words if changes[each]]
    num_entries = len(trends.entries)
    revisions = count(len({entry.revision for entry in trends.entries}), "revision")
    return (
        f"{num_entries} {'entry' if num_entries == 1 else 'entries'} of {revisions}, "
        f"{len(trends.trends)} series: {', '.join(found) or 'no change'}"
    )


def warnings(trends: Trends) -> list[str]:
    """Reservations about the trends, a sentence each."""
    found = []
    alike = Counter(trends.environments.numbers)
    longest = max(alike.values(), default=0)
    needed = fewest_entries(trends.false_alarms)
    if longest and longest < 2 * MIN_LEVEL:
        found.append(
            f"Change points of latency and energy need {2 * MIN_LEVEL} entries with the same environment, {MIN_LEVEL} "
            "on each side; there are fewer. Use dig-bench compare for two entries."
        )
    elif longest and trends.num_tests and longest < needed:
        metrics = dict.fromkeys(METRICS[trend.metric] for trend in trends.trends)
        noisy = ", ".join(
            f"{each.title} {100 * LARGE * each.threshold.relative:g} %" for each in metrics if not each.repeatable
        )
        found.append(
            f"In so few entries only changes of more than {LARGE:g} times the negligible difference ({noisy}) can be "
            f"found. Smaller ones need {needed} entries with the same environment."
        )
    return [log_line(note, 1000) for note in (*found, *trends.problems)]


def method(trends: Trends) -> str:
    """The method, in a few sentences."""
    return log_line(f"{trends.order.note} {_METHOD}", 2000)


_METHOD = (
    "A change point is where the level of a series changes by more than the negligible difference (latency 2 %, memory "
    "1 % and 32 MiB, energy 5 %, first call 50 % and 1 s). Except for memory, a level has at least three entries, so a "
    "change is found with the third entry after it at the earliest. It is compared with the spread between entries, "
    "allowing for autocorrelation, and by a rank test. A history without any change has a change point with a "
    "probability of at most 1 %, all series together, for the kinds of noise in results/change-points.md, which also "
    "shows how large a change must be to be found. Entries are compared only with entries that have the same "
    "environment. A range of revisions contains the true place with 95 % confidence."
)


def _commits(commits: Commits | None) -> str:
    if commits is None:
        return ""
    text = count(commits.count, "commit")
    return text if commits.is_one_line else f"{text}, and others on another branch"


def _differences(differences: Sequence[Difference]) -> str:
    named = [f"{each.what} from {each.base} to {each.candidate}" for each in differences[:MAX_DIFFERENCES]]
    more = len(differences) - MAX_DIFFERENCES
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _signed_percent(ratio: float) -> str:
    """1.052 -> `+5.20`."""
    return f"{'-' if ratio < 1 else '+'}{significant(abs(100 * (ratio - 1)))}"
