"""Entries of a history: added once, complete, never changed."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from dig_bench.files import atomic
from dig_bench.history import entries
from dig_bench.history.add import add
from dig_bench.history.entries import read
from dig_bench.results.folder import StoreError
from history_folders import keep, results, revision


def test_an_entry_copies_the_results_and_is_added_once(tmp_path: Path) -> None:
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


def test_broken_results_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    source, history = results(tmp_path / "results", 3), tmp_path / "history"
    content = (source / "rows.csv").read_bytes()
    cases = {
        "ends in half a row": content[:-20],
        "is empty": b"",
        "has no rows yet": content[: content.index(b"\n") + 1],
        "not a table": b"a,b\n1,2\n",
    }
    for complaint, broken in cases.items():
        (source / "rows.csv").write_bytes(broken)
        with pytest.raises(ValueError, match=complaint) as raised:
            add(source, history)
        assert str(source) in str(raised.value)
    (source / "rows.csv").write_bytes(content)
    (source / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match=r"results/manifest\.json is not the manifest"):
        add(source, history)
    (source / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"manifest\.json"):
        add(source, history)
    with pytest.raises(StoreError, match="nowhere"):
        add(tmp_path / "nowhere", history)
    assert list(history.iterdir()) == []


def test_the_revision_comes_from_the_manifest_else_from_the_user(tmp_path: Path) -> None:
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


def test_a_history_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_half_written_entry_is_left_out_and_can_be_added_again(
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
    assert "interrupted" in there.problems[0]
    assert add(tmp_path / "killed", history)[1]
    assert [each.revision for each in read(history).entries] == [revision(0), revision(1), revision(5)]


def test_changed_and_damaged_entries_are_left_out_and_named(tmp_path: Path) -> None:
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


def test_a_sweep_added_before_and_after_its_end_is_one_entry(tmp_path: Path) -> None:
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


def test_adding_the_same_results_twice_at_once_makes_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_missing_history_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert read(tmp_path / "empty") == entries.History(entries=(), problems=())
