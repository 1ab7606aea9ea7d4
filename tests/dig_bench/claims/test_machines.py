"""Results folders: grouped by machine, and refused when they are broken or given twice."""

from pathlib import Path

import pytest

from claim_rows import judged, timed
from dig_bench.claims.assessment import assess
from dig_bench.claims.output import notes
from dig_bench.claims.ratios import Ratio
from dig_bench.results.folder import StoreError
from report_rows import write_results


def test_folders_of_one_machine_are_joined_and_those_of_two_are_not(tmp_path: Path) -> None:
    ours, theirs = [timed("DiG-S/2@fla", 1792, 10.0)], [timed("DiT-S/2@math", 1792, 90.0)]
    folders = [
        write_results(tmp_path / "a", ours, driver="580"),
        write_results(tmp_path / "b", theirs, driver="580"),
        write_results(tmp_path / "c", theirs, driver="590"),
    ]
    assert judged(assess(folders[:2]), "speed-1792").verdict == "exceeded"
    assert judged(assess([folders[0], folders[2]]), "speed-1792").verdict == "not measured"
    bare = tmp_path / "bare.csv"
    bare.write_bytes((folders[1] / "rows.csv").read_bytes())
    assert judged(assess([folders[0], bare]), "speed-1792").verdict == "not measured"


def test_a_cell_in_several_folders_has_the_processes_of_all(tmp_path: Path) -> None:
    folders = [
        write_results(tmp_path / name, [timed("DiG-S/2@fla", 1792, ms), timed("DiT-S/2@math", 1792, 9 * ms)])
        for name, ms in (("a", 10.0), ("b", 10.1), ("c", 9.9))
    ]
    found = judged(assess(folders), "speed-1792")
    assert found.closest
    assert isinstance(found.closest.measured, Ratio)
    assert found.closest.measured.processes == (3, 3)


def test_a_folder_of_results_folders_stands_for_all_of_them(tmp_path: Path) -> None:
    slow, fast = timed("DiT-S/2@math", 1792, 20.0), timed("DiG-S/2@fla", 1792, 5.0)
    folders = [write_results(tmp_path / name, [row]) for name, row in (("a", slow), ("b", fast))]
    assert assess([tmp_path]).judgements == assess(folders).judgements
    with pytest.raises(ValueError, match="given twice"):
        assess([tmp_path, folders[0]])
    # Under another name, and as a copy, they are no further processes either.
    with pytest.raises(ValueError, match="given twice"):
        assess([folders[0], folders[0] / "rows.csv"])


def test_broken_results_are_refused_and_doubtful_ones_noted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        assess([tmp_path / "nowhere"])
    folder = write_results(tmp_path / "results", [timed("DiG-S/2@fla", 1792, 10.0)])
    with pytest.raises(ValueError, match="given twice"):
        assess([folder, tmp_path / "results" / ".." / "results"])
    with pytest.raises(ValueError, match="share"):
        assess([folder], tolerance=1.0)
    assert not notes.on_results(assess([folder]))
    write_results(folder, [], git_dirty=True)
    dirty = assess([folder])
    assert dirty.is_empty
    assert any("uncommitted" in note for note in notes.on_results(dirty))
