"""benchmarks/training/digits.py on a CPU with stubbed runs: verdicts, pages, gathered folders, failures."""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("diffusers")

from dig_bench.parity import store
from dig_bench.parity.ablation import PUBLISHED_FID
from dig_bench.parity.contenders import Contender, parse
from dig_bench.parity.contest import Contest
from dig_bench.parity.results import Results, Run
from dig_bench.parity.trial import Trial, Trials
from dig_models.kernels import op

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "training" / "digits.py"

DIGS = ("fused", "fla", "chunked")
VARIANTS = ("causal", "both-directions", "random-conv", "identity-conv")


def run_script(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def stored(name: str, seed: int, *, worse: float = 0.0) -> Run:
    level = 1 + 0.001 * seed + worse
    return Run(
        name=name,
        seed=seed,
        curve=(2.0, 1.5, 1.2, 1.0, level),
        distance=10 * level,
        parameters=1,
        train_images_per_s=1.0,
        seconds=1.0,
        kernels="",
    )


def fail_for(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """Replaces all runs by stored ones; those of models with this ending fail."""

    def one(self: Trials, contender: Contender, seed: int) -> Trial:
        if contender.model.endswith(model):
            raise RuntimeError("CUDA error: planted\nand more")
        images = np.zeros((1, 1, 4, 4), dtype=np.uint8)
        return Trial(run=stored(contender.name, seed), images=images, preparation_s=0.0)

    monkeypatch.setattr(Trials, "run", one)


def test_pages_of_runs_on_a_gpu_need_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"DiG-T/2@{backend}" for backend in DIGS] + ["DiT-T/2@math", "DiS-T/2@mamba-ssm"]
    names += [f"DiG-T/2-{variant}@fused" for variant in VARIANTS]
    worse = {f"DiG-T/2-{variant}@fused": PUBLISHED_FID[variant] / 100 for variant in VARIANTS}
    found = Results(
        settings={"steps": 5},
        environment={"device_name": "NVIDIA H100"},
        metric="FD-digits",
        # A verdict needs two seeds: the last contender has one.
        runs=tuple(
            stored(name, seed, worse=worse.get(name, 0.0))
            for seed in range(3)
            for name in names
            if seed == 0 or name != "DiS-T/2@mamba-ssm"
        ),
    )
    store.write(found, tmp_path)
    run_script(monkeypatch, "--pages", "--device", "cuda", "--out", tmp_path, "--reports", tmp_path / "pages")
    verdicts = pd.read_csv(tmp_path / "verdicts.csv")
    backends = verdicts[verdicts["question"] == "backends"]
    assert set(backends["b"]) == {"DiG-T/2@fla", "DiG-T/2@chunked"}
    assert set(backends["verdict"]) == {"in parity"}
    assert set(verdicts[verdicts["question"] == "families"]["b"]) == {"DiT-T/2@math"}
    ablation = pd.read_csv(tmp_path / "ablation.csv")
    assert list(ablation["measured_rank"]) == list(ablation["published_rank"])
    for question in ("backends", "families", "ablation"):
        assert (tmp_path / "pages" / f"train-digits-{question}" / "parity.html").is_file()


def test_runs_of_several_gpus_are_gathered_unless_conditions_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (tmp_path / folder for folder in "abc")
    for folder, steps, name in ((a, 5, "DiG-T/2@fused"), (b, 5, "DiG-T/2@fla"), (c, 6, "DiG-T/2@chunked")):
        part = tuple(stored(name, seed) for seed in range(2))
        store.write(Results(settings={"steps": steps}, environment={}, metric="FD-digits", runs=part), folder)
        (folder / "images").mkdir()
        (folder / "images" / f"{folder.name}.png").touch()
    arguments = ("--device", "cuda", "--out", tmp_path / "all", "--reports", tmp_path / "pages")
    run_script(monkeypatch, "--gather", a, b, *arguments)
    assert store.read(tmp_path / "all").names == ["DiG-T/2@fused", "DiG-T/2@fla"]
    assert set(pd.read_csv(tmp_path / "all" / "verdicts.csv")["b"]) == {"DiG-T/2@fla"}
    assert {path.name for path in (tmp_path / "all" / "images").iterdir()} == {"a.png", "b.png"}
    with pytest.raises(SystemExit):
        run_script(monkeypatch, "--gather", a, c, *arguments)
    shutil.rmtree(tmp_path / "all")
    with pytest.raises(ValueError, match="other settings: steps is 6 there, 5 here in"):
        run_script(monkeypatch, "--gather", a, c, *arguments)
    assert not (tmp_path / "all").exists()


def test_a_failure_is_printed_and_the_other_contenders_are_stored_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_for(monkeypatch, "causal")
    arguments = ["--device", "cpu", "--size", "N/4", "--out", tmp_path, "--reports", tmp_path / "pages"]
    run_script(monkeypatch, *arguments, "--seeds", "1")
    assert "DiG-N/4-causal@chunked seed 0: RuntimeError: CUDA error: planted\n" in capsys.readouterr().out
    run_script(monkeypatch, *arguments, "--seeds", "2")
    found = json.loads((tmp_path / "runs.json").read_text())
    assert len(found["runs"]) == 2 * 7
    assert found["settings"]["steps"] == 10_000
    ablation = pd.read_csv(tmp_path / "ablation.csv").set_index("variant")
    assert list(ablation["seeds"]) == [0, 2, 2, 2, 2]


def test_a_new_process_skips_the_contender_that_lost_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(self: Contest, *_: object, on_failure: Callable[[Contender, int, Exception], None], **__: object) -> None:
        on_failure.func("cuda", self.contenders[0], 0, RuntimeError("planted"))  # type: ignore[attr-defined]

    called: list[list[str]] = []
    monkeypatch.setattr(Contest, "run", lose)
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command) or 3)
    with pytest.raises(SystemExit) as left:
        run_script(monkeypatch, "--device", "cpu", "--size", "N/4", "--out", tmp_path, "--seconds", "100")
    assert left.value.code == 3
    assert called[0][-6:-1] == ["--device", "cpu", "--without", "DiG-N/4@chunked", "--seconds"]
    assert 90 < float(called[0][-1]) <= 100


def test_a_failure_on_a_gpu_ends_the_contest() -> None:
    script = runpy.run_path(str(SCRIPT))
    report, lost = script["report"], script["ContextLostError"]
    (contender,) = parse(["DiT-N/4@sdpa"], "cpu")
    report("cpu", contender, 0, RuntimeError("planted"))
    with pytest.raises(lost, match="DiT-N/4@sdpa"):
        report("cuda", contender, 0, RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_on_a_gpu_every_contender_can_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that fla and mamba-ssm are installed."""
    monkeypatch.setattr(op, "_is_installed", lambda package: True)
    asked = runpy.run_path(str(SCRIPT))["asked"]("T/2", "cuda")
    names = list(dict.fromkeys(name for contenders in asked.values() for name in contenders))
    assert [contender.name for contender in parse(names, "cuda")] == names
    assert len(names) == 9
