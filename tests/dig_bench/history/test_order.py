"""Order of the entries: by commits where git knows them, else by date."""

from pathlib import Path

import pytest

from dig_bench.history.add import add
from dig_bench.history.entries import read
from dig_bench.history.order import arrange
from history_folders import commit, git, results


def test_entries_follow_the_commits_not_the_dates(tmp_path: Path) -> None:
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


def test_entries_follow_the_dates_unless_a_repository_knows_all_of_them(
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


def test_revisions_of_two_branches_are_not_one_line(tmp_path: Path) -> None:
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
