"""A folder of results with damaged files, a full disk, missing rights, kill -9 and a clock that runs backwards.

Either the sweep resumes without losing a measured row, or one line says what is wrong and no file changes.
"""

import gzip
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dig_bench import report
from dig_bench.cell import Cell
from dig_bench.files import clock
from dig_bench.results.folder import StoreError
from dig_bench.results.manifest import read_manifest
from dig_bench.results.read import read_rows, read_samples
from dig_bench.results.store import Store
from dig_bench.results.table import format_line
from sweep_of_four import CELLS, MACHINE, SPEC, row_of, samples_of

MEASURED = len(CELLS) - 1
FILES = ("rows.csv", "samples.jsonl.gz", "manifest.json")
NOBODY = 65534
SUPPORT = Path(__file__).parents[1] / "support"


def open_store(folder: Path) -> Store:
    return Store.open(folder, spec=SPEC, environment=MACHINE, resume=True, cells=CELLS)


def opened(folder: Path) -> Store | StoreError:
    try:
        return open_store(folder)
    except StoreError as error:
        return error


def fill(store: Store, count: int = len(CELLS)) -> None:
    for cell in CELLS[:count]:
        if cell not in store.done:
            store.append(row_of(cell), samples_of(cell))


def append_all(store: Store, cells: list[Cell]) -> None:
    for cell in cells:
        store.append(row_of(cell), samples_of(cell))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of which the last cell is missing."""
    store = open_store(tmp_path_factory.mktemp("stopped") / "results")
    fill(store, MEASURED)
    store.close()
    return store.folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "results"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


Damage = Callable[[bytes, int, random.Random], bytes]

DAMAGES: dict[str, Damage] = {
    "one bit": lambda content, at, rng: content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :],
    "one byte": lambda content, at, rng: content[:at] + rng.randbytes(1) + content[at + 1 :],
    "the end is missing": lambda content, at, rng: content[:at],
    "the beginning is missing": lambda content, at, rng: content[at:],
    "a part is missing": lambda content, at, rng: content[:at] + content[at + rng.randrange(1, 40) :],
    "a part is zeros": lambda content, at, rng: content[:at] + bytes(len(content[at : at + 16])) + content[at + 16 :],
    "a part is there twice": lambda content, at, rng: content[: at + 40] + content[at:],
    "noise in between": lambda content, at, rng: content[:at] + rng.randbytes(9) + content[at:],
    "noise behind": lambda content, at, rng: content + rng.randbytes(1 + at % 50),
}


def lines_of(content: bytes) -> set[bytes]:
    return set(content.splitlines(keepends=True))


ROW_OF_LINE = {format_line(row_of(cell).as_dict().values()).encode(): row_of(cell) for cell in CELLS}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_loses_nothing_or_is_told_in_one_line(file: str, damage: str, stopped: Path, tmp_path: Path) -> None:
    rng = random.Random(f"{file} {damage}")
    original = (stopped / file).read_bytes()
    # Every end of a line, and elsewhere by chance.
    ends = [index for index, byte in enumerate(original) if byte == ord("\n")][:6] if file == "rows.csv" else []
    places = {0, len(original) - 1, *ends, *(rng.randrange(len(original)) for _ in range(25))}
    for number, place in enumerate(sorted(places)):
        folder = Path(shutil.copytree(stopped, tmp_path / str(number)))
        damaged = DAMAGES[damage](original, place, rng)
        (folder / file).write_bytes(damaged)
        check(folder, file, damaged)


def check(folder: Path, file: str, damaged: bytes) -> None:
    before = contents(folder)
    store = opened(folder)
    if isinstance(store, StoreError):
        assert "\n" not in str(store)
        assert str(folder) in str(store)
        assert contents(folder) == before
        return
    kept = {name: content for name, content in contents(folder).items() if name != ".lock"}
    for name in ("rows.csv", "samples.jsonl.gz"):
        # What was cut off is kept beside it.
        assert kept[name] + kept.get(f"{name}.cut", b"") == before[name]
    assert bool(store.repaired) == any(name.endswith(".cut") for name in kept)
    for line, row in ROW_OF_LINE.items():
        if line in lines_of(kept["rows.csv"]):
            assert row in store.rows
    fill(store)
    store.finish()
    assert sorted(map(str, (row.cell for row in store.rows))) == sorted(map(str, CELLS))
    assert read_rows(folder)["process"].tolist() == [row.process for row in store.rows]
    found = read_samples(folder)
    assert all(found[cell]["latency_ms"] == pytest.approx(samples_of(cell)["latency_ms"]) for cell in found)
    assert set(found) <= set(CELLS)
    assert CELLS[-1] in found
    assert read_manifest(folder)["spec"] == SPEC


def test_samples_behind_broken_ones_are_not_cut_off(folder: Path) -> None:
    """The first cell's are flipped in the midst: those of the others must stay."""
    path = folder / "samples.jsonl.gz"
    content = bytearray(path.read_bytes())
    content[30] ^= 0xFF
    path.write_bytes(content)
    for read in (lambda: open_store(folder), lambda: read_samples(folder)):
        with pytest.raises(StoreError, match=r"samples.jsonl.gz is damaged from byte 0 on.*move it away"):
            read()
    assert path.read_bytes() == content
    path.rename(folder / "broken.gz")
    store = open_store(folder)
    assert len(store.rows) == MEASURED
    store.close()


@pytest.mark.parametrize(
    "text",
    ["3", "[]", '{"cell": 1}', '{"cell": {"model": 1}, "samples": {}}', "{", pytest.param("[" * 100_000, id="nested")],
)
def test_samples_of_another_form_are_an_error_in_one_line(folder: Path, text: str) -> None:
    (folder / "samples.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    with pytest.raises(StoreError, match=r"samples.jsonl.gz does not hold samples"):
        read_samples(folder)


def test_a_row_of_a_cell_that_the_sweep_lacks_is_refused(folder: Path) -> None:
    path = folder / "rows.csv"
    path.write_bytes(path.read_bytes().replace(b"DiG-S/2,chunked,256", b"DiG-B/2,chunked,256", 1))
    before = contents(folder)
    with pytest.raises(StoreError, match=r"holds DiG-B/2@chunked · 256 px .* not a cell of this sweep"):
        open_store(folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": 3}, "spec is 3, not of type Mapping"),
        ({"environment": ["a CPU"]}, "environment is .* not of type Mapping"),
        ({"started_at": None}, "started_at is None, not of type str"),
        ({"finished_at": 12}, "finished_at is 12, not of type str"),
        ({"resumed": {"at": 1}}, "resumed is .* not of type list"),
        ({"resumed": [3]}, r"resumed\[0\] is 3, not of type Mapping"),
        ({"note": 3}, "note is unknown"),
        ({"format": [1]}, r"format \[1\]"),
    ],
)
def test_a_manifest_of_wrong_types_is_an_error_in_one_line(
    folder: Path, change: dict[str, object], message: str
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for action in (lambda: read_manifest(folder), lambda: open_store(folder)):
        with pytest.raises(StoreError, match=message):
            action()


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"\xff\xfe{", b'{"format": ' + b"1" * 5000 + b"}", b"\0" * 64]
)
def test_a_manifest_that_is_no_json_is_an_error_in_one_line(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"manifest.json is no"):
        open_store(folder)
    assert (folder / "manifest.json").read_bytes() == content


def test_samples_without_a_manifest_are_left_alone(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "rows.csv").unlink()
    with pytest.raises(StoreError, match=r"samples.jsonl.gz without manifest.json"):
        open_store(folder)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Simulates a disk that is full once a file has so many bytes: a write is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", range(300, 1340, 65))
def test_a_full_disk_names_the_row_that_it_lost_and_keeps_those_before(size: int, tmp_path: Path) -> None:
    store = open_store(tmp_path / "results")
    with largest_file(size), pytest.raises(StoreError, match="File too large") as raised:
        fill(store)
    stored = list(store.rows)
    store.close()
    assert f"the row of {CELLS[len(stored)]} (ok) cannot be written" in str(raised.value)
    assert f"{len(stored)} rows are safe" in str(raised.value)
    again = open_store(tmp_path / "results")
    assert again.repaired == ""
    assert again.rows == stored
    fill(again)
    again.finish()
    assert [row.cell for row in again.rows] == list(CELLS)
    assert len(read_rows(tmp_path / "results")) == len(CELLS)
    assert set(read_samples(tmp_path / "results")) == set(CELLS)


def test_a_disk_that_is_full_from_the_start_leaves_no_half_manifest(tmp_path: Path) -> None:
    with largest_file(100), pytest.raises(StoreError, match=r"manifest.json: File too large"):
        open_store(tmp_path / "results")
    assert contents(tmp_path / "results") == {}


def test_a_disk_that_is_full_when_the_sweep_ends_leaves_the_old_manifest(folder: Path) -> None:
    store = open_store(folder)
    fill(store)
    with largest_file(10), pytest.raises(StoreError, match="manifest"):
        store.finish()
    assert read_manifest(folder)["finished_at"] is None
    again = open_store(folder)
    assert len(again.rows) == len(CELLS)
    again.finish()
    assert read_manifest(folder)["finished_at"]


@pytest.mark.skipif(shutil.which("mount") is None or os.getuid() != 0, reason="needs root, to mount a small disk")
def test_a_small_disk_runs_full_and_then_turns_read_only(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mount is not allowed here: {mounted.stderr.decode().strip()}")
    try:
        store = open_store(tmp_path / "results")
        cells = [replace(CELLS[0], process=process) for process in range(1, 100)]
        with pytest.raises(StoreError, match="No space left on device"):
            append_all(store, cells)
        stored = list(store.rows)
        store.close()
        assert 0 < len(stored) < len(cells)
        assert len(read_rows(tmp_path / "results")) == len(stored)
        subprocess.run(["mount", "-o", "remount,size=64k", tmp_path], check=True)
        again = Store.open(tmp_path / "results", spec=SPEC, environment=MACHINE, resume=True)
        assert again.rows == stored
        again.append(row_of(cells[len(stored)]), {})
        again.close()

        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with pytest.raises(StoreError, match="Read-only file system"):
            Store.open(tmp_path / "results", spec=SPEC, environment=MACHINE, resume=True)
        assert len(read_rows(tmp_path / "results")) == len(stored) + 1
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def told_to_nobody(folder: Path, action: Callable[[], object]) -> str:
    """Returns what an action raises when a user without rights does it: in a child process, if this is root."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        # From within: the folders above belong to root alone.
        os.chdir(folder)
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            action()
            text = "nothing"
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write_fd, text.encode())
        os._exit(0)
    os.close(write_fd)
    os.waitpid(pid, 0)
    with open(read_fd, "rb") as pipe:
        return pipe.read().decode()


def test_a_read_only_folder_is_told_in_one_line_and_can_be_read(folder: Path) -> None:
    # Once beforehand: a user without rights could not import what it needs.
    for path in report.write_figures(folder):
        path.unlink()
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    before = contents(folder)
    try:
        assert told_to_nobody(folder, lambda: open_store(Path())) == "StoreError: .lock: Permission denied"
        assert told_to_nobody(folder, lambda: open_store(Path("new"))) == "StoreError: new: Permission denied"
        assert told_to_nobody(folder, lambda: report.write_figures(Path())).endswith(".png: Permission denied")
        assert told_to_nobody(folder, lambda: (read_rows(Path()), read_samples(Path()))) == "nothing"
    finally:
        folder.chmod(0o755)
    assert contents(folder) == before


def test_files_that_may_not_be_written_lose_their_rights_not_their_rows(folder: Path) -> None:
    """The folder may be written to, its files not."""
    folder.chmod(0o777)
    for path in folder.iterdir():
        path.chmod(0o444)

    def resume() -> None:
        fill(open_store(Path()))

    told = told_to_nobody(folder, resume)
    assert told.startswith(f"StoreError: the row of {CELLS[MEASURED]} (ok) cannot be written: samples.jsonl.gz")
    assert "Permission denied" in told
    store = open_store(folder)
    assert len(store.rows) == MEASURED
    fill(store)
    store.finish()
    assert len(read_rows(folder)) == len(CELLS)


def test_a_clock_that_steps_backwards_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            nonlocal now
            now -= timedelta(hours=7)
            return now

    monkeypatch.setattr(clock, "datetime", Backwards)
    folder = tmp_path / "results"
    for count in (2, len(CELLS)):
        store = open_store(folder)
        for cell in CELLS[:count]:
            if cell not in store.done:
                store.append(replace(row_of(cell), started_at=clock.utc_now()), samples_of(cell))
        store.close() if count == 2 else store.finish()
    manifest = read_manifest(folder)
    assert manifest["finished_at"] < manifest["resumed"][0]["at"] < manifest["started_at"]
    times = read_rows(folder)["started_at"].tolist()
    assert times == sorted(times, reverse=True)
    page, *_ = report.write(folder, out=tmp_path / "pages")
    assert f"{times[-1][:10]} to {times[0][:10]}" in page.read_text(encoding="utf-8")


APPENDING = """
import sys
sys.path.insert(0, {support!r})
from dataclasses import replace
from pathlib import Path
from sweep_of_four import CELLS, MACHINE, SPEC, row_of, samples_of
from dig_bench.results.store import Store

store = Store.open(Path({folder!r}), spec=SPEC, environment=MACHINE, resume=True)
print("open", flush=True)
for process in range(1, 100_000):
    cell = replace(CELLS[0], process=process)
    if cell not in store.done:
        store.append(row_of(cell), samples_of(cell))
        print(process, flush=True)
"""


def kill_9_while_appending(folder: Path, seed: int) -> None:
    """Acknowledged rows are there afterwards, once, in order, with their samples."""
    rng = random.Random(seed)
    for _ in range(5):
        script = APPENDING.format(support=str(SUPPORT), folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            time.sleep(rng.uniform(0, 0.3))
            child.kill()
            acknowledged = [int(line) for line in child.stdout if line.endswith("\n")]
        store = Store.open(folder, spec=SPEC, environment=MACHINE, resume=True)
        processes = [row.process for row in store.rows]
        store.close()
        assert processes == list(range(1, len(processes) + 1))
        assert set(acknowledged) <= set(processes)
        assert all(row == row_of(row.cell) for row in store.rows)
        samples = read_samples(folder)
        assert {row.cell for row in store.rows} <= set(samples)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.robustness) for seed in range(1, 11))])
def test_kill_9_while_rows_are_written_loses_none(seed: int, tmp_path: Path) -> None:
    kill_9_while_appending(tmp_path / "results", seed)
