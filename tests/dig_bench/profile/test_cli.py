"""`dig-bench profile`, as it is called."""

import gzip
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dig_bench.cell import Cell
from dig_bench.machine import roofline
from dig_bench.measure import cpu_load
from dig_bench.measure.peaks import Size
from dig_bench.profile import folder, memory, record, session, take
from dig_bench.profile.folder import Contents, Failure
from dig_bench.profile.output import figures_roofline, page, terminal
from dig_bench.render.plot import Plot
from harness import Run
from profile_tasks import run_in_process
from profiles import ROOFLINE, component, profile

TINY = str(Path(__file__).parents[2] / "support" / "tiny_backbones.py")
TINY_SIZE = Size(side=16, copied_bytes=1 << 12)


@pytest.fixture
def in_process(dig_bench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles are short, without memory, and taken in this process, from a folder with a stored roofline."""

    monkeypatch.setattr(session, "run_once", run_in_process)
    monkeypatch.setattr(take, "STEPS", 1)
    # Recording Python's stacks takes seconds; test_memory and test_take do it.
    monkeypatch.setattr(memory, "record", lambda *arguments: (None, None))
    monkeypatch.setattr(cpu_load, "look", lambda: 0.0)
    monkeypatch.setattr(cpu_load, "others", lambda begin, end: 0.0)
    # A profiler takes longer than such small networks.
    monkeypatch.setattr(record, "REPRESENTATIVE", 1e6)
    roofline.measure_and_store("cpu", size=TINY_SIZE, max_seconds=0.01)


def test_two_models_are_compared_on_the_terminal_and_on_a_page(dig_bench: Run, in_process: None) -> None:
    words = ["profile", "DiG-Tiny/4@chunked", "--against", "DiT-Tiny/4@sdpa", "--res", "64", "--plugin", TINY]
    words += ["--trace", "--name", "mine", "--device", "cpu"]
    ran = dig_bench(*words)
    assert ran.code == 0, ran.err
    assert "mixer_core" in ran.out
    assert re.search(r"DiT-Tiny/4@sdpa takes .* in one process each", ran.out)
    (traced,) = Path("results").glob("*/profile/DiG-Tiny-4_*.trace.json.gz")
    assert json.loads(gzip.decompress(traced.read_bytes()))["traceEvents"]
    assert "What makes the difference" in Path("reports/mine.html").read_text()
    again = dig_bench(*[word for word in words if word != "--trace"])
    assert again.code == 0
    data = str(traced.parent)
    reported = dig_bench("report", data, "--baseline", "DiT-Tiny/4@sdpa", "--name", "again")
    assert reported.code == 0, reported.err
    assert "reports/again.html" in reported.out
    assert Path("reports/again/difference-dit-tiny-4-sdpa-dig-tiny-4-chunked-forward-64px.svg").exists()
    assert "no profile of 'DiT-Tiny/4'" in dig_bench("report", data, "--baseline", "DiT-Tiny/4").err
    assert "file name" in dig_bench("report", data, "--name", "../again").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["DiG-S/3"], "no model 'DiG-S/3'"),
        (["DiG-S/8@flash"], "has no backend"),
        (["DiG-S/8", "--res", "100"], "100"),
        (["DiG-S/8", "--mode", "backward"], "--mode has no"),
        (["DiG-S/8", "--mode", "sample"], "--mode forward and train"),
        (["DiG-S/8", "--out", "file"], "file"),
        (["DiG-S/8", "--reports", "file"], "file is a file, not a folder"),
        (["DiG-S/8", "--name", "../mine"], "file name"),
        (["DiG-S/8", "--name", 300 * "x"], "at most 200 bytes"),
        (["DiG-S/8", "--device", "cuda"], "no CUDA GPU"),
        ([], "MODEL"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    dig_bench: Run, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "file").touch()
    ran = dig_bench("profile", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_help_offers_the_modes_that_are_profiled(dig_bench: Run) -> None:
    told = " ".join(dig_bench("profile", "--help").out.split())
    assert "forward (one pass), train (one training step)" in told
    assert "sample" not in told


def test_a_model_that_cannot_run_here_is_a_failure_with_its_reason(
    dig_bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes the profile in a worker process, as the command does."""
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    ran = dig_bench("profile", "DiG-S/8@fla", "--res", "64", "--device", "cpu", "--out", str(tmp_path / "out"))
    assert ran.code == 0
    assert "unsupported: " in ran.out
    assert "No cell could be profiled" in next((tmp_path / "reports").glob("*.html")).read_text()


def test_the_page_escapes_what_a_plugin_or_a_kernel_is_called(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    found = [
        profile(f"{hostile}@{hostile}", components=(component(hostile, 1.0, gflops=1.0, mb=1.0),), notes=[hostile]),
        profile("[bold]/2@math"),
    ]
    failures = [Failure(cell=Cell(model=hostile, backend="math", resolution_px=64), status="oom", detail=hostile)]
    written, *_ = page.write(tmp_path, "hostile", Contents(profiles=found, failures=failures))
    assert hostile not in written.read_text()
    assert terminal.render(found)


def test_figures_are_drawn_for_every_section(tmp_path: Path) -> None:
    found = [profile(name, resolution_px=px) for name in ("DiG-S/2@chunked", "DiT-S/2@math") for px in (256, 512)]
    _, *pictures = page.write(tmp_path, "mine", Contents(profiles=found, failures=[]))
    assert {path.name for path in pictures if path.suffix == ".svg"} >= {
        "components-forward-256px.svg",
        "per-token-forward.svg",
        "difference-dig-s-2-chunked-dit-s-2-math-forward-512px.svg",
        "losses-dig-s-2-chunked-forward-512px.svg",
        "roofline-forward-512px.svg",
    }


def test_no_figure_of_other_conditions_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long names, which leave little room, under every precision, batch size and device."""
    monkeypatch.setattr(Plot, "save", lambda self, folder: [folder / self.name])
    models = ("DiG-XL/2-four-directions@chunked", "DiT-XL/2-with-a-long-name@math")
    found = [
        profile(name, cell=replace(profile(name).cell, precision=precision, batch_size=batch, device=device))
        for name in models
        for precision in ("fp32", "tf32")
        for batch in (1, 8)
        for device in ("cpu", "cuda")
    ]
    written, *pictures = page.write(tmp_path, "mine", Contents(profiles=found, failures=[]))
    assert len(set(pictures)) == len(pictures)
    ids = re.findall(r'<figure id="([^"]*)"', written.read_text())
    assert len(set(ids)) == len(ids)
    assert sum("difference-" in id and "tf32-batch-8-cuda" in id for id in ids) == 1


def test_a_roofline_plot_has_the_peak_of_its_own_precision() -> None:
    """Twice as many FLOP/s in tf32: the level of the line, the last one drawn."""
    fast = {name: replace(each, median=2.0) if name == "tf32" else each for name, each in ROOFLINE.gemm.items()}
    known = replace(ROOFLINE, gemm=fast)
    found = [profile(cell=replace(profile().cell, precision=each), roofline=known) for each in ("fp32", "tf32")]
    levels = [plot.figure.axes[0].lines[-1].get_ydata().max() for plot in figures_roofline.rooflines(found)]
    assert levels == [1.0, 2.0]


def test_a_failure_does_not_take_the_place_of_a_profile(dig_bench: Run, in_process: None, tmp_path: Path) -> None:
    cell = Cell(model="DiG-S/8", backend="fla", resolution_px=64)
    on_gpu = replace(cell, device="cuda")
    for each in (cell, on_gpu):
        folder.write(tmp_path / "mine", profile("DiG-S/8@fla", resolution_px=64, cell=each))
    before = {path.name: path.read_text() for path in (tmp_path / "mine").glob("*.json")}
    assert len(before) == 2
    assert "unsupported" in dig_bench("profile", "DiG-S/8@fla", "--res", "64", "--device", "cpu", "--out", "mine").out
    assert {path.name: path.read_text() for path in (tmp_path / "mine").glob("*.json")} == before


def test_a_folder_of_broken_profiles_replaces_no_page(dig_bench: Run, tmp_path: Path) -> None:
    folder.path_of(tmp_path, Cell(model="DiG-S/8", backend="fla", resolution_px=64)).write_text("{")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.html").write_text("good")
    ran = dig_bench("report", ".", "--name", "mine")
    assert ran.code == 2
    assert "no profile that can be read" in ran.err
    assert (tmp_path / "reports" / "mine.html").read_text() == "good"


def test_a_busy_cpu_is_profiled_without_bounds_and_says_so(
    dig_bench: Run, in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in Path("results").glob("*/roofline.json"):
        path.unlink()
    monkeypatch.setattr(cpu_load, "look", lambda: 1.7)
    ran = dig_bench(
        "profile", "DiG-Tiny/4@chunked", "--res", "64", "--plugin", TINY, "--device", "cpu", "--out", "mine"
    )
    assert ran.code == 0, ran.err
    assert "no bounds: the CPU is busy" in " ".join(ran.out.split())
    assert "without bounds" in ran.out
    assert not list(Path("results").glob("*/roofline.json"))


def test_another_run_into_a_folder_leaves_the_tables_whole(dig_bench: Run, in_process: None) -> None:
    for model in ("DiG-S/8@fla", "DiT-S/8@flash3"):
        dig_bench("profile", model, "--res", "64", "--device", "cpu", "--out", "mine")
    assert list(pd.read_csv("mine/cells.csv")["backend"]) == ["fla", "flash3"]


def test_a_profile_of_this_revision_is_kept(tmp_path: Path) -> None:
    cell = Cell(model="DiG-S/2", backend="chunked", resolution_px=256)
    folder.write(tmp_path, profile())
    assert folder.find(tmp_path, cell) is not None
    assert folder.find(tmp_path, Cell(model="DiG-S/2", backend="chunked", resolution_px=512)) is None
