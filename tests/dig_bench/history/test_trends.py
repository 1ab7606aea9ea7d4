"""A history: what may lie in it, in which order, and what a step is blamed on."""

import json
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench.cell import Row
from dig_bench.files import atomic
from dig_bench.history import entries
from dig_bench.history.entries import add, read
from dig_bench.history.order import arrange
from dig_bench.history.trends import Change, Trends, trends
from dig_bench.plan.filter import parse_filter
from dig_bench.results.folder import StoreError
from history_folders import commit, git, results, revision, slower
from report_rows import row, write_results


def keep(tmp_path: Path, places: range, **options: object) -> Path:
    """A history of the entries at these places."""
    history = tmp_path / "history"
    for place in places:
        add(results(tmp_path / f"results-{place}", place, **options), history)  # type: ignore[arg-type]
    return history


def found(tmp_path: Path, count: int = 10, **options: object) -> Trends:
    return trends(read(keep(tmp_path, range(count), **options)))


def of_time(found: Trends) -> list[Change]:
    return [change for change in found.changes if change.metric == "latency"]


# Entries


def test_an_entry_is_the_results_as_they_were_and_is_added_once(tmp_path: Path) -> None:
    source = results(tmp_path / "results", 3)
    (source / "samples.jsonl.gz").write_bytes(b"large")
    history = tmp_path / "new" / "history"
    entry, is_new = add(source, history)
    assert is_new
    assert entry.parent == history
    assert entry.name.startswith("20260104T030405-")
    assert sorted(path.name for path in entry.iterdir()) == ["entry.json", "manifest.json", "rows.csv"]
    for name in ("rows.csv", "manifest.json"):
        assert (entry / name).read_bytes() == (source / name).read_bytes()
    before = {path: path.read_bytes() for path in history.rglob("*") if path.is_file()}
    assert add(source, history) == (entry, False)
    assert {path: path.read_bytes() for path in history.rglob("*") if path.is_file()} == before
    assert [each.revision for each in read(history).entries] == [revision(3)]


def test_results_that_cannot_be_an_entry_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    source, history = results(tmp_path / "results", 3), tmp_path / "history"
    content = (source / "rows.csv").read_bytes()
    cases = {
        "ends in half a row": content[:-20],
        "is empty": b"",
        "has no rows yet": content[: content.index(b"\n") + 1],
        "is no table": b"a,b\n1,2\n",
    }
    for complaint, broken in cases.items():
        (source / "rows.csv").write_bytes(broken)
        with pytest.raises(ValueError, match=complaint) as raised:
            add(source, history)
        assert str(source) in str(raised.value)
    (source / "rows.csv").write_bytes(content)
    (source / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match=r"results/manifest\.json is no manifest"):
        add(source, history)
    (source / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"manifest\.json"):
        add(source, history)
    with pytest.raises(StoreError, match="nowhere"):
        add(tmp_path / "nowhere", history)
    assert list(history.iterdir()) == []


def test_a_revision_comes_from_the_manifest_or_from_the_user_and_never_from_both(tmp_path: Path) -> None:
    history = tmp_path / "history"
    unknown = results(tmp_path / "unknown", 1, git_revision=None)
    with pytest.raises(ValueError, match="--revision"):
        add(unknown, history)
    with pytest.raises(ValueError, match="--revision"):
        add(unknown, history, revision=" ")
    add(unknown, history, revision="v1.2/../../etc; rm -rf ~")
    (entry,) = read(history).entries
    assert entry.revision == "v1.2/../../etc; rm -rf ~"
    assert sorted(history.iterdir()) == [history / entry.name]
    known = results(tmp_path / "known", 2)
    with pytest.raises(ValueError, match="not v2"):
        add(known, history, revision="v2")
    assert add(known, history, revision=revision(2))[1]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = results(tmp_path / "results", 1)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="file"):
        add(source, tmp_path / "file")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(atomic, "write_whole", full)
    with pytest.raises(StoreError, match="No space left"):
        add(source, tmp_path / "history")
    assert list((tmp_path / "history").iterdir()) == []


@pytest.mark.parametrize("after", ["rows.csv", "manifest.json", "entry.json"])
def test_an_entry_that_was_half_written_is_left_out_and_can_be_added_again(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed: nothing is cleaned up."""
    history = keep(tmp_path, range(2))
    write = atomic.write_whole

    def die(path: Path, content: bytes) -> None:
        if path.name == after:
            os._exit(9)
        write(path, content)

    def adding() -> None:
        monkeypatch.setattr(atomic, "write_whole", die)
        add(results(tmp_path / "killed", 5), history)

    process = multiprocessing.get_context("fork").Process(target=adding)
    process.start()
    process.join()
    assert process.exitcode == 9
    there = read(history)
    assert [each.revision for each in there.entries] == [revision(0), revision(1)]
    assert len(there.problems) == 1
    assert "never finished" in there.problems[0]
    assert add(tmp_path / "killed", history)[1]
    assert [each.revision for each in read(history).entries] == [revision(0), revision(1), revision(5)]


def test_entries_that_were_changed_or_damaged_are_left_out_and_named(tmp_path: Path) -> None:
    history = keep(tmp_path, range(8))
    names = [each.name for each in read(history).entries]
    table = (history / names[0] / "rows.csv").read_bytes()
    (history / names[0] / "rows.csv").write_bytes(table.replace(b",ok,", b",oom,", 1))
    (history / names[1] / "manifest.json").write_text("{}", encoding="utf-8")
    (history / names[2] / "entry.json").write_text('{"format": 1', encoding="utf-8")
    (history / names[3] / "entry.json").write_text("[" * 100_000, encoding="utf-8")
    (history / names[4] / "rows.csv").unlink()
    whole = json.loads((history / names[5] / "entry.json").read_text(encoding="utf-8"))
    (history / names[5] / "entry.json").write_text(json.dumps(whole | {"format": 2}), encoding="utf-8")
    (history / names[6] / "entry.json").write_text("null", encoding="utf-8")
    (history / "notes").mkdir()
    (history / "README.md").write_text("mine", encoding="utf-8")
    there = read(history)
    assert [each.name for each in there.entries] == [names[7]]
    assert len(there.problems) == 8
    for name, problem in zip([*names[:7], "notes"], there.problems, strict=True):
        assert problem.startswith(f"{name} is left out: ")


def test_a_sweep_that_was_added_before_its_end_is_one_entry(tmp_path: Path) -> None:
    source = results(tmp_path / "results", 1)
    whole = (source / "rows.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    history = tmp_path / "history"
    (source / "rows.csv").write_text("".join(whole[:4]), encoding="utf-8")
    add(source, history)
    (source / "rows.csv").write_text("".join(whole), encoding="utf-8")
    last, _ = add(source, history)
    there = read(history)
    assert [each.name for each in there.entries] == [last.name]
    assert "holds more of its sweep" in there.problems[0]


def test_two_that_add_the_same_at_once_make_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, history = results(tmp_path / "results", 1), tmp_path / "history"
    rename = Path.rename

    def overtaken(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        shutil.copytree(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    entry, is_new = add(source, history)
    assert not is_new
    assert [each.name for each in read(history).entries] == [entry.name]


def test_a_history_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert read(tmp_path / "empty") == entries.History(entries=(), problems=())


# Order


def test_entries_stand_in_the_order_of_commits_whenever_they_were_measured(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    commits = [commit(repository, f"Change {number}") for number in range(6)]
    history = tmp_path / "history"
    for place, number in enumerate((4, 0, 2)):
        add(results(tmp_path / str(place), place, git_revision=commits[number]), history)
    order = arrange(read(history).entries, repository)
    assert [entry.revision for entry in order.entries] == [commits[0], commits[2], commits[4]]
    between = order.commits(order.entries[0], order.entries[1])
    assert between
    assert (between.count, between.is_one_line) == (2, True)
    assert [subject.partition(" ")[2] for subject in between.subjects] == ["Change 2", "Change 1"]
    assert order.commits(order.entries[0], order.entries[0]) is None


def test_without_a_repository_that_knows_them_all_entries_stand_by_date_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    first, second = commit(repository, "One"), commit(repository, "Two")
    history = tmp_path / "history"
    add(results(tmp_path / "2", 2, git_revision=first), history)
    add(results(tmp_path / "1", 1, git_revision=second), history)
    assert [each.revision for each in arrange(read(history).entries, repository).entries] == [first, second]
    for elsewhere in (None, tmp_path / "nowhere", tmp_path):
        by_date = arrange(read(history).entries, elsewhere)
        assert [each.revision for each in by_date.entries] == [second, first]
        assert by_date.repository is None
        assert "by the date" in by_date.note
    add(results(tmp_path / "3", 3, git_revision="--upload-pack=touch hacked"), history)
    mixed = arrange(read(history).entries, repository)
    assert mixed.repository is None
    assert "does not know --upload-pack" in mixed.note
    assert not (tmp_path / "hacked").exists()
    monkeypatch.chdir(repository)
    assert "the current folder does not know" in arrange(read(history).entries, Path()).note


def test_revisions_of_two_branches_are_said_to_be_so(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    base = commit(repository, "Base")
    git(repository, "checkout", "--quiet", "-b", "side")
    side = commit(repository, "Side")
    git(repository, "checkout", "--quiet", "main")
    main = commit(repository, "Main")
    history = tmp_path / "history"
    for place, each in enumerate((base, side, main)):
        add(results(tmp_path / str(place), place, git_revision=each), history)
    order = arrange(read(history).entries, repository)
    assert order.entries[0].revision == base
    two = order.commits(order.entries[1], order.entries[2])
    assert two
    assert not two.is_one_line


# Steps and what they are blamed on


def test_a_step_names_the_revisions_that_it_lies_between(tmp_path: Path) -> None:
    there = found(tmp_path, change=slower(6, 1.08))
    steps = of_time(there)
    assert {(change.key.name, change.key.resolution_px) for change in steps} == {
        ("DiG-S/2@fla", 256),
        ("DiG-S/2@fla", 512),
    }
    for change in steps:
        assert change.is_worse
        assert change.cause == "revision"
        assert [there.entries[place].revision for place in (change.before, change.after)] == [revision(5), revision(6)]
        assert change.step
        assert change.step.low < 1.08 < change.step.high
    assert there.changes == steps


def test_a_history_without_a_change_has_no_step(tmp_path: Path) -> None:
    assert found(tmp_path, count=12).changes == []


def test_memory_and_status_change_without_any_noise(tmp_path: Path) -> None:
    def change(place: int, row: Row) -> Row:
        if row.model == "DiT-S/2" and row.resolution_px == 512 and place >= 2:
            return replace(row, peak_allocated_mib=(row.peak_allocated_mib or 0) + 64)
        if row.model == "DiG-S/2" and row.resolution_px == 256 and place == 1:
            return replace(row, status="oom", latency_ms_median=None, peak_allocated_mib=None)
        return row

    there = found(tmp_path, count=3, change=change)
    assert [(each.metric, each.key.model, each.at, each.is_worse) for each in there.changes] == [
        ("", "DiG-S/2", 2, False),
        ("memory", "DiT-S/2", 2, True),
        ("", "DiG-S/2", 1, True),
    ]
    assert there.changes[2].statuses == ("ok", "oom")


def test_a_step_that_coincides_with_another_environment_is_not_blamed_on_a_revision(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(10):
        driver = "580" if place < 5 else "590"
        folder = results(tmp_path / str(place), place, change=slower(5, 1.1), driver=driver)
        add(folder, history)
    there = trends(read(history))
    steps = of_time(there)
    assert {change.key.model for change in steps} == {"DiG-S/2"}
    for change in steps:
        assert change.cause == "environment"
        assert (change.before, change.after) == (4, 5)
        assert [str(each) for each in change.differences] == ["driver: 580 in the base, 590 in the candidate"]
    assert [place for place, _ in there.environment_changes()] == [5]


def test_a_step_beside_a_change_of_environment_is_still_the_revision_s(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(12):
        add(results(tmp_path / str(place), place, change=slower(8, 1.1), driver="58" if place < 4 else "59"), history)
    steps = of_time(trends(read(history)))
    assert [(change.cause, change.at) for change in steps] == [("revision", 8)] * 2


def test_machines_that_take_turns_are_compared_each_with_itself(tmp_path: Path) -> None:
    """One is twice as fast; the code got slower once."""
    history = tmp_path / "history"
    for place in range(16):
        is_fast = place % 2 == 0
        step = slower(9, 1.1)

        def change(place: int, row: Row, is_fast: bool = is_fast, step=step) -> Row:  # type: ignore[no-untyped-def]
            row = step(place, row)
            return replace(row, latency_ms_median=(row.latency_ms_median or 0) / 2) if is_fast else row

        add(results(tmp_path / str(place), place, change=change, driver="fast" if is_fast else "slow"), history)
    there = trends(read(history))
    steps = of_time(there)
    assert {(change.cause, change.before, change.after) for change in steps} == {
        ("revision", 8, 10),
        ("revision", 7, 9),
    }
    assert {change.key.model for change in steps} == {"DiG-S/2"}


def test_a_step_within_one_revision_is_not_the_code(tmp_path: Path) -> None:
    there = found(tmp_path, change=slower(5, 1.1), git_revision=revision(99))
    assert {change.cause for change in of_time(there)} == {"same revision"}


def test_cells_that_come_late_or_are_missing_now_and_then_are_followed_where_they_are(tmp_path: Path) -> None:
    history = tmp_path / "history"
    for place in range(12):
        names = ("DiG-S/2@fla", "DiT-S/2@math") if place % 3 else ("DiT-S/2@math",)
        add(results(tmp_path / str(place), place, names=names, change=slower(6, 1.2)), history)
    steps = of_time(trends(read(history)))
    assert {(change.before, change.after) for change in steps} == {(5, 7)}


def test_metrics_and_cells_can_be_chosen(tmp_path: Path) -> None:
    history = read(keep(tmp_path, range(2)))
    chosen = trends(history, metrics=("energy",), only=parse_filter("model=DiG-* and resolution_px=256"))
    assert [(trend.key.name, trend.key.resolution_px, trend.metric) for trend in chosen.trends] == [
        ("DiG-S/2@fla", 256, "energy")
    ]
    with pytest.raises(ValueError, match="choices are latency"):
        trends(history, metrics=("speed",))


def test_figures_that_are_none_are_left_out(tmp_path: Path) -> None:
    columns = {"latency_ms_median": float("nan"), "peak_allocated_mib": float("inf"), "process": 1}
    history = tmp_path / "history"
    for place in range(5):
        folder = write_results(
            tmp_path / str(place),
            [replace(row("DiG-S/2@fla", 256), **columns)],  # type: ignore[arg-type]
            git_revision=revision(place),
        )
        add(folder, history)
    assert trends(read(history)).trends == ()
