"""What all formats say, in the same words."""

from __future__ import annotations

from collections import Counter

from dig_bench.compare.conditions import Difference
from dig_bench.compare.output.words import TITLES, clean
from dig_bench.history.entries import Entry
from dig_bench.history.order import Commits
from dig_bench.history.steps import MIN_FREE
from dig_bench.history.trends import Change, Trends

MAX_DIFFERENCES = 4
"""That are named; the others are counted."""


def label(entry: Entry) -> str:
    return clean(entry.label, 40)


def day(entry: Entry) -> str:
    return clean(entry.measured_at[:16].replace("T", " "), 20)


def cell(change: Change) -> str:
    """`DiG-S/2@fla 512px`."""
    return clean(f"{change.key.name} {change.key.resolution_px}px")


def conditions(change: Change) -> str:
    """`batch 1, train, bf16, graph, cuda`."""
    key = change.key
    return clean(f"batch {key.batch_size}, {key.mode}, {key.precision}, {key.execution}, {key.device}")


def metric(change: Change) -> str:
    return TITLES[change.metric] if change.metric else "status"


def size(change: Change) -> str:
    """`+5.2 % (+4.1 to +6.3)`, `ok to oom`."""
    if change.step is None:
        return clean(" to ".join(change.statuses))
    step = change.step
    interval = f" ({_signed(step.low)} to {_signed(step.high)})" if step.low < step.high else ""
    return f"{_signed(step.ratio)} %{interval}"


def between(trends: Trends, change: Change) -> str:
    """`d619b8c40a..1b2338b0aa`, the revisions that it lies between."""
    before, after = trends.entries[change.before], trends.entries[change.after]
    return label(before) if before.label == after.label else f"{label(before)}..{label(after)}"


def cause(trends: Trends, change: Change) -> str:
    """What it may be blamed on, and what not, in a sentence without a full stop."""
    before, after = trends.entries[change.before], trends.entries[change.after]
    notes = []
    match change.cause:
        case "environment":
            notes.append(f"coincides with a change of {_differences(change.differences)}: not blamed on a revision")
        case "same revision":
            notes.append("the same revision before and after: not the code")
        case "revision":
            notes.append(_commits(trends.commits(change)))
    if change.cause == "revision" and (before.is_dirty or after.is_dirty):
        notes.append("measured with uncommitted changes, of which no revision tells")
    if change.step and change.step.entries[1] == 1:
        notes.append("seen in one entry only")
    return clean("; ".join(filter(None, notes)))


def environment(differences: tuple[Difference, ...]) -> str:
    return clean(_differences(differences))


def counts(trends: Trends) -> str:
    """`14 entries of 12 revisions, 24 series: 2 changes for the worse, 1 for the better`."""
    changes = Counter(change.is_worse for change in trends.changes)
    revisions = len({entry.revision for entry in trends.entries})
    words = {True: "for the worse", False: "for the better"}
    found = [f"{_plural(changes[each], 'change', 'changes')} {words[each]}" for each in words if changes[each]]
    return (
        f"{_plural(len(trends.entries), 'entry', 'entries')} of {_plural(revisions, 'revision', 'revisions')}, "
        f"{len(trends.trends)} series: {', '.join(found) or 'no change'}"
    )


def warnings(trends: Trends) -> list[str]:
    """What a reader has to know before believing it, a sentence each."""
    found = []
    alike = Counter(trends.environments)
    if alike and max(alike.values()) < MIN_FREE + 2:
        found.append(
            f"Steps of time need {MIN_FREE + 2} entries of one environment, so that the spread between entries is "
            "known; there are fewer. Compare two of them by dig-bench compare."
        )
    return [clean(note, 1000) for note in (*found, *trends.problems)]


def method(trends: Trends) -> str:
    """How to read it, in a few sentences."""
    return clean(f"{trends.order.note} {_METHOD}", 2000)


_METHOD = (
    "A step is where the level of a series changes by more than is negligible (2 % of time, 1 % and 32 MiB of memory, "
    "5 % of energy, 50 % and 1 s of the first call), tested against the spread between entries, such that a history "
    "without any change has one with a probability of 1 %, all series together. Entries are compared only with entries "
    "of the same environment. A range of revisions holds every place that the noise allows, with 95 % confidence."
)


def _commits(commits: Commits | None) -> str:
    if commits is None:
        return ""
    text = _plural(commits.count, "commit", "commits")
    return text if commits.is_one_line else f"{text}, and others on another branch"


def _differences(differences: tuple[Difference, ...]) -> str:
    named = [f"{each.what} ({each.base} to {each.candidate})" for each in differences[:MAX_DIFFERENCES]]
    more = len(differences) - MAX_DIFFERENCES
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _signed(ratio: float) -> str:
    """In per cent."""
    return f"{100 * (ratio - 1):+.3g}"


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
