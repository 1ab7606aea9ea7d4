"""Command line: a mistake is one line and exit code 2; a sweep writes its rows and says how it went."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from dig_bench import __version__
from dig_bench.cell import ROW_COLUMNS
from dig_bench.cli import INTERRUPTED
from dig_bench.plan.sweep import make
from harness import Run

ROOT = Path(__file__).parents[3]
EXAMPLE = str(ROOT / "examples" / "my_backbone.py")
TINY = ["sweep", "--device", "cpu", "--plugin", EXAMPLE, "--models", "MyNet-XS/2@*", "--res", "64,128"]
FAST = ["--min-samples", "6", "--max-samples", "6", "--warmup-seconds", "0", "--max-seconds", "1"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "a file"), "a file: No space left on device"),
        (MemoryError("3 PiB"), "out of memory: 3 PiB"),
    ],
)
def test_an_error_of_the_system_is_one_line(
    dig_bench: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("dig_bench.cli.machine.console", refuse)
    ran = dig_bench("list")
    assert (ran.code, ran.err) == (2, f"dig-bench: {words}\n")


FAULTY_PLUGIN = "BACKBONES = 3"

WRONG = {
    "unknown option": (["sweep", "--foo"], "No such option: --foo"),
    "unknown command": (["swep"], "Did you mean 'sweep'?"),
    "no value": (["sweep", "--res"], "requires an argument"),
    "no number": (["sweep", "--min-samples", "few"], "--min-samples"),
    "unknown model": (["sweep", "--models", "DiG-S2"], "did you mean DiG-S/2?"),
    "unknown backend": (["sweep", "--models", "DiG-S/2@chunkd"], "did you mean chunked?"),
    "another model's backend": (["sweep", "--models", "DiG-S/2@flash2"], "DiG-S/2 has no backend 'flash2'"),
    "no whole tokens": (["sweep", "--res", "250"], "multiple of 16 px, not 250"),
    "backwards": (["sweep", "--res", "2048..256"], "--res 2048..256"),
    "negative batch": (["sweep", "--batch", "-4"], "--batch takes whole numbers from 1, not '-4'"),
    "no process": (["sweep", "--processes", "0"], "--processes"),
    "unknown mode": (["sweep", "--mode", "trian"], "did you mean train?"),
    "unknown precision": (["sweep", "--precision", "fp8"], "choices are fp32"),
    "unknown preset": (["sweep", "--preset", "demmo"], "did you mean demo?"),
    "preset for a GPU": (["sweep", "--device", "cpu", "--preset", "paper-size"], "is for cuda, not cpu"),
    "unknown field": (["sweep", "--only", "modell=DiG-S/2"], "did you mean model?"),
    "unknown operator": (["sweep", "--only", "resolution_px~256"], "takes terms such as"),
    "hostile filter": (["sweep", "--only", "__import__('os').system('touch hacked')"], "takes terms such as"),
    "nothing left": (["sweep", "--device", "cpu", "--only", "model=GPT"], "leaves no cell"),
    "unknown device": (["sweep", "--device", "tpu"], "auto, cpu, cuda or cuda:N"),
    "negative tolerance": (["sweep", "--check-tolerance", "-1"], "positive"),
    "timeout": (["sweep", "--timeout", "0"], "timeout"),
    "no such plugin": (["sweep", "--plugin", "no.py"], "is not a file"),
    "faulty plugin": (["sweep", "--plugin", "faulty.py"], "has no mapping BACKBONES"),
    "folder is a file": (["sweep", "--device", "cpu", "--out", "faulty.py"], "faulty.py"),
    "folder below a file": (["sweep", "--device", "cpu", "--out", "faulty.py/results"], "faulty.py"),
    "no results": (["report", "nowhere"], "nowhere"),
    "broken results": (["report", "broken"], "broken"),
    "no argument": (["report"], "Missing argument"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_gets_one_line_and_writes_nothing(case: str, tmp_path: Path, dig_bench: Run) -> None:
    arguments, complaint = WRONG[case]
    (tmp_path / "faulty.py").write_text(FAULTY_PLUGIN, encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "rows.csv").write_text('a,b\n"1', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    ran = dig_bench(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("dig-bench: ")
    assert complaint in ran.err
    assert sorted(tmp_path.rglob("*")) == before


def test_version_and_help(dig_bench: Run) -> None:
    assert dig_bench("--version").out == f"dig-bench {__version__}\n"
    alone = dig_bench()
    assert alone.code == 0
    assert alone.out == dig_bench("--help").out
    assert "Exit codes: 0" in dig_bench("sweep", "--help").out


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "dig_bench", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"dig-bench {__version__}\n"


def test_a_plan_lists_the_cells_and_writes_nothing(tmp_path: Path, dig_bench: Run) -> None:
    ran = dig_bench("sweep", "--preset", "paper-resolution", "--device", "cuda", "--plan")
    assert ran.code == 0
    assert "DiG-S/2@fla · 2048 px · train · tf32 · CUDA graph · batch 1 · cuda  " in ran.out
    cells = make(device="cuda", preset="paper-resolution").cells
    workers = len({cell.worker for cell in cells})
    # Cells are unavailable if packages are missing.
    assert re.search(
        rf"^{len(cells)} cells in {workers} workers(, \d+ unavailable here)?: about .* \(a guess",
        ran.out,
        re.MULTILINE,
    )
    assert list(tmp_path.iterdir()) == []


def test_list_shows_what_can_run_and_why_not(dig_bench: Run) -> None:
    ran = dig_bench("list", "--device", "cpu", "--plugin", EXAMPLE)
    assert ran.code == 0
    assert "DiG-XL/2" in ran.out
    assert "675.7 M" not in ran.out
    assert "MyNet-XS/2" in ran.out
    assert "runs on cuda only" in ran.out


def test_list_counts_parameters_on_request(dig_bench: Run) -> None:
    assert "675.7 M" in dig_bench("list", "--device", "cpu", "--parameters").out


def test_a_plugin_is_checked_measured_resumed_and_reported(tmp_path: Path, dig_bench: Run) -> None:
    ran = dig_bench(*TINY, *FAST, "--out", "out")
    assert ran.code == 0, ran.err
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    assert tuple(rows.columns) == ROW_COLUMNS
    assert sorted(zip(rows["backend"], rows["resolution_px"], strict=True)) == [
        ("conv2d", 64),
        ("conv2d", 128),
        ("reference", 64),
        ("reference", 128),
    ]
    assert set(rows["status"]) <= {"ok", "noisy"}
    assert (rows.loc[rows["backend"] == "conv2d", "relative_error"] < 1e-4).all()
    assert (rows["gflops_per_image"] > 0).all()
    assert rows["kernels"].str.contains("depthwise_convolution=torch").all()
    assert len([line for line in ran.out.splitlines() if line.startswith("[")]) == 4
    written = ("rows.csv", "samples.jsonl.gz", "manifest.json", "speed.png", "speed.svg", "memory.png", "memory.svg")
    assert [line for line in ran.out.splitlines() if line.startswith("out/")] == [f"out/{name}" for name in written]
    assert all((tmp_path / "out" / name).stat().st_size > 0 for name in written)

    again = dig_bench(*TINY, *FAST, "--out", "out")
    assert again.code == 0
    assert "0 cells to measure, 4 done already" in again.out
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "rows.csv"), rows)

    other = dig_bench(*TINY, *FAST, "--batch", "2", "--out", "out")
    assert other.code == 2
    assert "batch_size is [1] there, [2] here" in other.err
    assert len(other.err.splitlines()) == 1
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "rows.csv"), rows)

    reported = dig_bench("report", "out", "--out", "pages")
    assert reported.code == 0, reported.err
    (page,) = (tmp_path / "pages").rglob("*.html")
    assert "MyNet-XS/2@conv2d" in page.read_text(encoding="utf-8")


def test_a_cell_that_fails_the_correctness_check_is_a_row_and_exit_code_1(tmp_path: Path, dig_bench: Run) -> None:
    arguments = ["--check-tolerance", "1e-30", "--only", "backend=conv2d", "--quiet", "--no-figures", "--out", "out"]
    ran = dig_bench(*TINY, *FAST, *arguments)
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    assert set(rows["status"]) == {"mismatch"}
    assert rows["latency_ms_median"].isna().all()
    assert ran.code == 1
    # Quiet: only the paths. A mismatch has no timing samples.
    assert ran.out.splitlines() == ["out/rows.csv", "out/manifest.json"]
    assert ran.err == ""


def test_an_unavailable_cell_is_a_row_and_exit_code_0(tmp_path: Path, dig_bench: Run) -> None:
    ran = dig_bench(
        "sweep", "--device", "cpu", "--models", "DiG-S/2@fla", "--res", "256", "--no-figures", "--out", "out"
    )
    assert ran.code == 0
    assert list(pd.read_csv(tmp_path / "out" / "rows.csv")["status"]) == ["unsupported"]
    assert "DiG-S/2@fla: 1 cell unavailable here: " in ran.out


def test_an_old_table_says_what_to_rename(tmp_path: Path, dig_bench: Run) -> None:
    (tmp_path / "rows.csv").write_text(",".join(ROW_COLUMNS).replace("process", "launch") + "\n", encoding="utf-8")
    ran = dig_bench("report", "rows.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "dig-bench: rows.csv: not a table of rows: `launch` is now called `process`: rename it in the header of "
        "rows.csv, in `spec` of manifest.json and in the cells of samples.jsonl.gz\n"
    )


STOPPABLE = [*TINY, *FAST, "--only", "backend=conv2d", "--processes", "3", "--no-figures", "--out", "out"]


def stopped(number: signal.Signals, folder: Path, *, num_lines: int) -> tuple[int, str]:
    """Runs a sweep until its table has so many lines, then sends a signal. Returns the exit code and the table."""
    table = folder / "out" / "rows.csv"
    command = [sys.executable, "-m", "dig_bench", *STOPPABLE]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder) as sweep:
        while sweep.poll() is None and not (table.exists() and table.read_bytes().count(b"\n") >= num_lines):
            time.sleep(0.02)
        sweep.send_signal(number)
    return sweep.returncode, table.read_text(encoding="utf-8")


def test_a_stopped_sweep_resumes_without_losing_or_repeating_a_row(tmp_path: Path, dig_bench: Run) -> None:
    code, interrupted = stopped(signal.SIGINT, tmp_path, num_lines=2)
    assert code == INTERRUPTED
    code, killed = stopped(signal.SIGKILL, tmp_path, num_lines=interrupted.count("\n") + 1)
    assert code == -signal.SIGKILL
    assert 2 <= interrupted.count("\n") < killed.count("\n") < 7
    assert killed.startswith(interrupted)

    assert dig_bench(*STOPPABLE).code == 0
    assert (tmp_path / "out" / "rows.csv").read_text(encoding="utf-8").startswith(killed[: killed.rfind("\n") + 1])
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    assert len(rows) == 6
    assert not rows.duplicated(["resolution_px", "process"]).any()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["finished_at"]


INTERRUPTED_EARLY = """
import sys

class Planted:
    def find_spec(self, name, path=None, target=None):
        if name == "dig_bench.cli.sweep":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Planted())
import dig_bench.cli
"""


def test_ctrl_c_while_the_command_is_imported_is_quiet() -> None:
    ran = subprocess.run([sys.executable, "-c", INTERRUPTED_EARLY], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (INTERRUPTED, b"", b"")


def test_bench_py_takes_both_packages_from_its_own_checkout(tmp_path: Path) -> None:
    shutil.copy(ROOT / "bench.py", tmp_path)
    for file, text in {
        "dig_bench/__init__.py": "",
        "dig_bench/cli.py": "import dig_models, sys\ndef main(): print(dig_models.__file__, __file__, *sys.argv[1:])",
        "models/dig_models/__init__.py": "",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    ran = subprocess.run([sys.executable, tmp_path / "bench.py", "sweep"], capture_output=True, text=True, check=True)
    expected = [tmp_path / "models" / "dig_models" / "__init__.py", tmp_path / "dig_bench" / "cli.py", "sweep"]
    assert ran.stdout.split() == [str(part) for part in expected]
