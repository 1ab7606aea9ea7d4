"""`dig-bench profile`, as it is called."""

import gzip
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dig_bench.cell import Cell, Status
from dig_bench.cli import main
from dig_bench.machine import roofline
from dig_bench.measure.roofline import Size
from dig_bench.profile import folder
from dig_bench.profile.folder import Contents
from dig_bench.profile.output import figures_roofs, page, terminal
from harness import Ran, Run
from profiles import ROOFS, component, profile

TINY = Size(side=16, copied_bytes=1 << 12)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """In an empty folder, on a machine whose roofs are known."""
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["dig-bench", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return Ran(int(left.value.code or 0), out, err)

    return ran


def test_two_models_side_by_side_are_printed_and_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    roofline.measure_and_store("cpu", size=TINY, max_seconds=0.01)
    words = ["profile", "DiG-S/8@chunked", "--against", "DiT-S/8@sdpa", "--res", "64", "--trace", "--name", "mine"]
    ran = run(*words, "--device", "cpu")
    assert ran.code == 0, ran.err
    assert "mixer_core" in ran.out
    assert "times as long" in ran.out
    (traced,) = Path("results").glob("*/profile/DiG-S-8_*.trace.json.gz")
    assert json.loads(gzip.decompress(traced.read_bytes()))["traceEvents"]
    assert "What makes the difference" in Path("reports/mine.html").read_text()
    again = run(*[word for word in words if word != "--trace"], "--device", "cpu")
    assert again.code == 0
    data = str(traced.parent)
    anew = run("report", data, "--baseline", "DiT-S/8@sdpa", "--name", "anew")
    assert anew.code == 0, anew.err
    assert "reports/anew.html" in anew.out
    assert Path("reports/anew/difference-dit-s-8-sdpa-dig-s-8-chunked-forward-64px.svg").exists()
    assert "no profile of 'DiT-S/8'" in run("report", data, "--baseline", "DiT-S/8").err
    assert "file name" in run("report", data, "--name", "../anew").err


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
    run: Run, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "file").touch()
    ran = run("profile", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_help_offers_the_modes_that_are_profiled(run: Run) -> None:
    told = " ".join(run("profile", "--help").out.split())
    assert "forward, train: one pass, one step" in told
    assert "sample" not in told


def test_a_model_that_cannot_run_here_is_a_failure_that_is_told(run: Run, tmp_path: Path) -> None:
    ran = run("profile", "DiG-S/8@fla", "--res", "64", "--device", "cpu", "--out", str(tmp_path / "out"))
    assert ran.code == 0
    assert "unsupported" in ran.out
    assert "No cell could be profiled" in next((tmp_path / "reports").glob("*.html")).read_text()


def test_the_page_escapes_what_a_plugin_or_a_kernel_is_called(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    found = [
        profile(f"{hostile}@{hostile}", components=(component(hostile, 1.0, gflops=1.0, mb=1.0),), notes=[hostile]),
        profile("[bold]/2@math"),
    ]
    failures: list[tuple[Cell, Status, str]] = [(Cell(model=hostile, backend="math", resolution_px=64), "oom", hostile)]
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


def test_no_figure_of_other_conditions_takes_the_place_of_another(tmp_path: Path) -> None:
    """Long names, which leave little room, under every precision, batch size and device."""
    models = ("DiG-XL/2-four-directions@chunked", "DiT-XL/2-with-a-long-name@math")
    found = [
        profile(name, cell=profile(name).cell | {"precision": precision, "batch_size": batch, "device": device})
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


def test_a_roofline_has_the_roof_of_its_own_precision() -> None:
    """Twice as many FLOPs a second in tf32: the level of the line, the last one drawn."""
    fast = {name: replace(each, median=2.0) if name == "tf32" else each for name, each in ROOFS.gemm.items()}
    roofs = replace(ROOFS, gemm=fast)
    found = [profile(cell=profile().cell | {"precision": each}, roofs=roofs) for each in ("fp32", "tf32")]
    levels = [plot.figure.axes[0].lines[-1].get_ydata().max() for plot in figures_roofs.rooflines(found)]
    assert levels == [1.0, 2.0]


def test_a_failure_does_not_take_the_place_of_a_profile(run: Run, tmp_path: Path) -> None:
    cell = Cell(model="DiG-S/8", backend="fla", resolution_px=64)
    on_gpu = replace(cell, device="cuda")
    for each in (cell, on_gpu):
        folder.write(tmp_path / "mine", each, profile("DiG-S/8@fla", resolution_px=64, cell=each.as_dict()))
    before = {path.name: path.read_text() for path in (tmp_path / "mine").glob("*.json")}
    assert len(before) == 2
    assert "unsupported" in run("profile", "DiG-S/8@fla", "--res", "64", "--device", "cpu", "--out", "mine").out
    assert {path.name: path.read_text() for path in (tmp_path / "mine").glob("*.json")} == before


def test_a_folder_of_broken_profiles_replaces_no_page(run: Run, tmp_path: Path) -> None:
    folder.path_of(tmp_path, Cell(model="DiG-S/8", backend="fla", resolution_px=64)).write_text("{")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.html").write_text("good")
    ran = run("report", ".", "--name", "mine")
    assert ran.code == 2
    assert "no profile that can be read" in ran.err
    assert (tmp_path / "reports" / "mine.html").read_text() == "good"


def test_another_run_into_a_folder_leaves_the_tables_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    roofline.measure_and_store("cpu", size=TINY, max_seconds=0.01)
    for model in ("DiG-S/8@fla", "DiT-S/8@flash3"):
        run("profile", model, "--res", "64", "--device", "cpu", "--out", "mine")
    assert list(pd.read_csv("mine/cells.csv")["backend"]) == ["fla", "flash3"]


def test_a_profile_of_this_revision_is_kept(tmp_path: Path) -> None:
    cell = Cell(model="DiG-S/2", backend="chunked", resolution_px=256)
    folder.write(tmp_path, cell, profile())
    assert folder.find(tmp_path, cell) is not None
    assert folder.find(tmp_path, Cell(model="DiG-S/2", backend="chunked", resolution_px=512)) is None
