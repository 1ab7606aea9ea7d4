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


def test_rows_of_other_kernels_or_other_code_are_no_processes_of_the_cell(tmp_path: Path) -> None:
    """The measured case: 8.35 ms before a change of the kernels, 7.92 ms after it."""
    later = "2026-01-09T03:04:05Z"
    size = {"mode": "forward", "precision": "bf16"}
    theirs = [timed("DiS-XL/2@mamba-ssm", 1024, 92.0, process=process, **size) for process in (1, 2, 3)]
    before = [timed("DiG-XL/2@fused", 1024, 8.35, process=process, kernels="old", **size) for process in (1, 2, 3)]
    cases = {
        "other kernels": ({"kernels": "new"}, {}, (1, 3), 7.92),
        "other revision": ({"kernels": "old"}, {"git_revision": "1" * 40}, (1, 3), 7.92),
        "uncommitted changes": ({"kernels": "old"}, {"git_dirty": True}, (1, 3), 7.92),
        "the same": ({"kernels": "old"}, {}, (4, 3), None),
    }
    for name, (kernels, environment, processes, ms) in cases.items():
        after = [timed("DiG-XL/2@fused", 1024, 7.92, started_at=later, **kernels, **size)]
        folders = [
            write_results(tmp_path / name / "a", [*before, *theirs], driver="580"),
            write_results(tmp_path / name / "b", after, driver="580", **environment),
        ]
        found = assess(folders)
        (judgement,) = (each for each in found.judgements if each.claim.id == "mamba-1024")
        measured = judgement.findings[0].measured
        assert isinstance(measured, Ratio)
        assert measured.processes == processes, name
        if ms:
            assert measured.value == pytest.approx(92.0 / ms), name
        said = [note for note in notes.on_results(found) if "do not count as its processes" in note]
        assert [note.startswith("3 measured rows") for note in said] == ([True] if ms else []), name


def test_burst_rows_are_not_compared_with_sustained_ones(tmp_path: Path) -> None:
    for state, verdict in (("burst", "not measured"), ("sustained", "exceeded")):
        rows = [timed("DiG-S/2@fla", 1792, 10.0, state=state), timed("DiT-S/2@math", 1792, 90.0)]
        found = assess([write_results(tmp_path / state, rows)])
        assert judged(found, "speed-1792").verdict == verdict


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
