"""A folder of results is written row by row, resumed, and read back; damaged ones are refused in one line."""

import csv
import errno
import gzip
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dig_bench.cell import LATER_COLUMNS, ROW_COLUMNS, Cell, Row
from dig_bench.files import atomic
from dig_bench.results.folder import StoreError
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_row_list, read_rows, read_samples
from dig_bench.results.store import Store
from dig_bench.results.table import parse_table

CELL = Cell(model="DiG-S/2", backend="chunked", resolution_px=256)
SPEC = {"name": "demo", "resolution_px": (256, 512)}
MACHINE = {"cpu": "a CPU", "torch": "2.13.0", "git_revision": "abc", "git_dirty": False}
ROW = Row.of(
    CELL,
    "ok",
    num_tokens=256,
    parameters=33_000_000,
    latency_ms_median=0.1 + 0.2,
    peak_reserved_mib=None,
    num_samples=3,
    detail='a comma, a "quote" and an ümlaut',
)


def open_store(folder: Path, **changes: Any) -> Store:
    options = {"spec": SPEC, "environment": MACHINE, "resume": True, **changes}
    return Store.open(folder, **options)


def at(resolution_px: int) -> Row:
    return replace(ROW, resolution_px=resolution_px)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds a sweep of two rows that was stopped."""
    store = open_store(tmp_path / "results")
    store.append(at(256), {"latency_ms": [1.0, 2.0, 3.123456789]})
    store.append(at(512), {"latency_ms": [4.0]})
    store.close()
    return store.folder


def test_rows_come_back_as_they_were(folder: Path) -> None:
    store = open_store(folder)
    assert store.rows == [at(256), at(512)]
    assert store.done == {CELL, replace(CELL, resolution_px=512)}
    assert store.repaired == ""
    store.close()


def test_pandas_reads_the_file_without_arguments(folder: Path) -> None:
    frame = pd.read_csv(folder / "rows.csv")
    assert tuple(frame.columns) == ROW_COLUMNS
    assert frame["latency_ms_median"].tolist() == [0.1 + 0.2] * 2


def test_read_rows_is_typed(folder: Path) -> None:
    frame = read_rows(folder)
    assert frame.equals(read_rows(folder / "rows.csv"))
    assert tuple(frame.columns) == ROW_COLUMNS
    assert frame["resolution_px"].dtype == "int64"
    assert frame["parameters"].dtype == "Int64"
    assert frame["peak_reserved_mib"].dtype == "float64"
    assert frame["peak_reserved_mib"].isna().all()
    assert frame["detail"].tolist() == ['a comma, a "quote" and an ümlaut'] * 2
    assert frame["kernels"].tolist() == ["", ""]


def test_a_larger_sweep_extends_a_folder(folder: Path) -> None:
    larger = {**SPEC, "resolution_px": (256, 512, 1024)}
    cells = [replace(CELL, resolution_px=side) for side in (256, 512, 1024)]
    with pytest.raises(StoreError, match="resolution_px is"):
        open_store(folder, spec=larger, cells=cells)
    store = open_store(folder, spec=larger, cells=cells, extend=True)
    store.append(at(1024), {})
    store.finish()
    manifest = read_manifest(folder)
    assert manifest["spec"]["resolution_px"] == [256, 512, 1024]
    assert manifest["resumed"][0]["rows"] == 2


def test_extending_refuses_another_protocol_and_fewer_cells(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match=r"protocol\.min_samples is"):
        open_store(folder, spec={**SPEC, "protocol.min_samples": 7}, extend=True)
    with pytest.raises(StoreError, match="not a cell of this sweep"):
        open_store(folder, spec={**SPEC, "resolution_px": (256,)}, cells=[CELL], extend=True)
    assert (folder / "manifest.json").read_bytes() == before


def test_samples_are_stored_to_the_nanosecond(folder: Path) -> None:
    assert read_samples(folder)[CELL] == {"latency_ms": [1.0, 2.0, 3.123457]}


def test_a_row_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append(ROW, {})
    assert len(read_rows(tmp_path)) == 1
    store.close()


def test_the_manifest_holds_spec_environment_and_times(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest["spec"] == {"name": "demo", "resolution_px": [256, 512]}
    assert manifest["environment"] == MACHINE
    assert manifest["finished_at"] is None
    store = open_store(folder, environment={**MACHINE, "git_revision": "def"})
    store.finish()
    manifest = read_manifest(folder)
    assert manifest["finished_at"] >= manifest["started_at"]
    assert [each["git_revision"] for each in manifest["resumed"]] == ["def"]


def test_opening_a_finished_sweep_leaves_its_manifest_unchanged(folder: Path) -> None:
    cells = [replace(CELL, resolution_px=side) for side in (256, 512)]
    open_store(folder, cells=cells).finish()
    before = (folder / "manifest.json").read_bytes()
    assert read_manifest(folder)["finished_at"]
    assert "resumed" not in read_manifest(folder)
    store = open_store(folder, cells=cells, environment={**MACHINE, "git_revision": "def", "git_dirty": True})
    store.finish()
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_half_written_last_line_is_moved_away(folder: Path, cut: int) -> None:
    path = folder / "rows.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(StoreError, match="half a row"):
        read_rows(folder)
    store = open_store(folder)
    assert store.rows == [at(256)]
    assert store.repaired == "moved half-written lines of rows.csv to rows.csv.cut"
    store.append(at(512), {})
    store.close()
    assert read_rows(folder)["resolution_px"].tolist() == [256, 512]


def test_a_half_written_header_is_written_again(folder: Path) -> None:
    (folder / "rows.csv").write_text("model,back")
    store = open_store(folder)
    assert store.rows == []
    store.append(ROW, {})
    store.close()
    assert len(read_rows(folder)) == 1


def test_half_written_samples_are_moved_away(folder: Path) -> None:
    path = folder / "samples.jsonl.gz"
    whole = path.read_bytes()
    path.write_bytes(whole + gzip.compress(b'{"cell": 1}\n')[:-5])
    store = open_store(folder)
    assert store.repaired == "moved half-written lines of samples.jsonl.gz to samples.jsonl.gz.cut"
    assert path.read_bytes() == whole
    store.append(at(1024), {"latency_ms": [9.0]})
    store.close()
    assert len(read_samples(folder)) == 3


def test_another_sweeps_folder_is_refused_with_the_difference(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StoreError, match=r"resolution_px is \[256,512\] there, \[256\] here"):
        open_store(folder, spec={**SPEC, "resolution_px": [256]})
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("key", "value"), [("cpu", "another"), ("torch", "2.14.0"), ("gpu_name", "a GPU")])
def test_another_machines_folder_is_refused_with_the_difference(folder: Path, key: str, value: str) -> None:
    with pytest.raises(StoreError, match=f"another machine's results: {key} is .* there, .*{value}.* here"):
        open_store(folder, environment={**MACHINE, key: value})


def test_without_resume_a_folder_with_results_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="already holds results"):
        open_store(folder, resume=False)


def test_rows_without_a_manifest_are_left_alone(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"without manifest\.json"):
        open_store(folder)


def test_two_sweeps_never_write_one_folder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dig_bench.results.store import Store\n"
        "Store.open(Path(sys.argv[1]), spec={}, environment={}, resume=True)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=f"being written by process {other.pid}$"):
        open_store(tmp_path, spec={})
    # A killed process releases its lock.
    other.kill()
    other.communicate()
    open_store(tmp_path, spec={}, environment={}).close()


def test_closing_the_store_releases_the_lock(folder: Path) -> None:
    with pytest.raises(StoreError):
        open_store(folder, spec={})
    open_store(folder).finish()
    open_store(folder).close()
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "rows.csv", "samples.jsonl.gz"]


def damage(folder: Path, damaged: str) -> None:
    header, first, second = (folder / "rows.csv").read_text().splitlines(keepends=True)
    texts = {
        "garbage": "\x89PNG\n\x1a\n",
        "empty line": header + "\n" + first,
        "another header": header.replace("latency_ms_p05,", "") + first,
        "renamed column": header.replace("\n", ",extra\n") + first,
        "reordered": header.replace("model,backend", "backend,model") + first,
        "short line": header + "DiG-S/2,chunked\n" + second,
        "no number": header + first.replace(",256,", ",25 6,", 1),
        "no status": header + first.replace(",ok,", ",fine,"),
        "duplicate": header + first + second + first,
        "NUL": header + first.replace("DiG", "D\0G"),
        "quote": header + '"' + first,
    }
    (folder / "rows.csv").write_text(texts[damaged])


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        ("garbage", "not a table of rows: no column"),
        ("empty line", "line 2 has 0 values"),
        ("another header", "no column latency_ms_p05"),
        ("renamed column", "unexpected column extra"),
        ("reordered", "another order"),
        ("short line", "line 2 has 2 values"),
        ("no number", "line 2: resolution_px cannot be '25 6'"),
        ("no status", "line 2: status cannot be 'fine'"),
        ("duplicate", "lines 2 and 4 hold the same cell"),
        ("NUL", "NUL"),
        ("quote", "not CSV"),
    ],
)
def test_a_damaged_table_is_an_error_in_one_line_and_is_left_alone(folder: Path, damaged: str, message: str) -> None:
    damage(folder, damaged)
    content = (folder / "rows.csv").read_bytes()
    for action in (lambda: read_rows(folder), lambda: open_store(folder)):
        with pytest.raises(StoreError, match=message) as caught:
            action()
        assert "\n" not in str(caught.value)
        assert "rows.csv" in str(caught.value)
    assert (folder / "rows.csv").read_bytes() == content


def test_a_table_that_is_not_utf8_is_an_error(folder: Path) -> None:
    (folder / "rows.csv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(StoreError, match="not CSV"):
        read_rows(folder)


def test_missing_files_are_errors_in_one_line(tmp_path: Path) -> None:
    for read in (read_rows, read_manifest, read_samples):
        with pytest.raises(StoreError, match="No such file"):
            read(tmp_path)


def test_each_file_of_an_old_folder_says_what_to_rename(folder: Path) -> None:
    remedy = (
        "`launch` is now called `process`: rename it in the header of rows.csv, in `spec` of manifest.json "
        "and in the cells of samples.jsonl.gz"
    )
    rows, manifest, samples = (folder / name for name in ("rows.csv", "manifest.json", "samples.jsonl.gz"))
    rows.write_text(rows.read_text().replace(",process,", ",launch,", 1))
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"spec": {**SPEC, "launch": [1]}}))
    samples.write_bytes(gzip.compress(gzip.decompress(samples.read_bytes()).replace(b'"process"', b'"launch"')))
    for action in (read_rows, read_manifest, read_samples, open_store):
        with pytest.raises(StoreError) as caught:
            action(folder)
        assert str(caught.value).endswith(remedy)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 1}'])
def test_a_broken_manifest_is_an_error(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        open_store(folder)


def test_a_later_format_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(StoreError, match="format 2"):
        read_manifest(folder)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        open_store(tmp_path / "file" / "results")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_and_the_row_does_not_count(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    (tmp_path / "rows.csv").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left"):
        store.append(ROW, {})
    assert store.rows == []
    store.close()


def test_half_a_row_on_a_full_disk_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, content = open_store(folder), (folder / "rows.csv").read_bytes()
    write = os.write

    def write_half(fd: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: len(data) // 2])

    monkeypatch.setattr(atomic.os, "write", write_half)
    with pytest.raises(
        StoreError, match=r"the row of DiG-S/2@chunked · 1024 px .* \(ok\) cannot be written: .*rows.csv"
    ):
        store.append(at(1024), {})
    monkeypatch.undo()
    assert (folder / "rows.csv").read_bytes() == content
    store.close()


def test_a_table_without_later_columns_is_read_and_resumed(folder: Path) -> None:
    complete = (folder / "rows.csv").read_bytes()
    with (folder / "rows.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    earlier = [name for name in ROW_COLUMNS if name not in LATER_COLUMNS]
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, earlier, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    assert read_row_list(folder) == [at(256), at(512)]
    with (folder / "rows.csv").open("a") as file:
        file.write("half a row")
    store = open_store(folder)
    assert (folder / "rows.csv").read_bytes() == complete
    assert (folder / "rows.csv.cut").read_bytes() == b"half a row"
    store.append(at(1024), {})
    store.close()
    assert read_row_list(folder) == [at(256), at(512), at(1024)]


def test_retry_moves_the_rows_of_failed_cells_away(folder: Path) -> None:
    wrong = [Row.of(at(px).cell, status) for px, status in ((768, "crashed"), (1024, "timeout"), (1280, "mismatch"))]
    right = [Row.of(at(1536).cell, "oom"), Row.of(at(1792).cell, "unsupported")]
    store = open_store(folder)
    for row in (*wrong, *right):
        store.append(row, {})
    store.close()
    open_store(folder).close()
    assert read_row_list(folder) == [at(256), at(512), *wrong, *right]
    store = open_store(folder, retry=True)
    assert store.done == {row.cell for row in (at(256), at(512), *right)}
    store.append(at(768), {})
    store.close()
    assert read_row_list(folder) == [at(256), at(512), *right, at(768)]
    header = (folder / "rows.csv").read_text().splitlines()[0]
    cut = (folder / "rows.csv.cut").read_text()
    assert parse_table(f"{header}\n{cut}".encode()) == wrong


def test_every_column_survives_the_csv_module(folder: Path) -> None:
    with (folder / "rows.csv").open(newline="") as file:
        first, *_ = csv.DictReader(file)
    assert first["latency_ms_median"] == repr(0.1 + 0.2)
    assert first["peak_reserved_mib"] == ""
