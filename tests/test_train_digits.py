"""benchmarks/train_digits.py in small, on a CPU: runs, verdicts and pages; pages alone of a GPU's folder."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("diffusers")

from dig_bench.parity import results as stored
from dig_bench.parity import runs
from dig_bench.parity.ablation import PUBLISHED_FID
from dig_bench.parity.contenders import parse
from dig_bench.parity.results import Results, Run
from dig_bench.parity.training import Budget
from dig_models.kernels import op
from dig_models.samplers import Sampling

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "train_digits.py"

DIGS = ("fused", "fla", "chunked")
VARIANTS = ("causal", "both-directions", "random-conv", "identity-conv")


def started(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def kept(name: str, seed: int, *, worse: float = 0.0) -> Run:
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


def test_pages_of_a_gpus_folder_need_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"DiG-T/2@{backend}" for backend in DIGS] + ["DiT-T/2@math", "DiS-T/2@mamba-ssm"]
    names += [f"DiG-T/2-{variant}@fused" for variant in VARIANTS]
    worse = {f"DiG-T/2-{variant}@fused": PUBLISHED_FID[variant] / 100 for variant in VARIANTS}
    found = Results(
        settings={"steps": 5},
        environment={"device_name": "NVIDIA H100"},
        metric="FD-digits",
        # The last one has a single seed: no verdict rests on it.
        runs=tuple(
            kept(name, seed, worse=worse.get(name, 0.0))
            for seed in range(3)
            for name in names
            if seed == 0 or name != "DiS-T/2@mamba-ssm"
        ),
    )
    stored.write(found, tmp_path)
    started(monkeypatch, "--pages", "--device", "cuda", "--out", tmp_path, "--reports", tmp_path / "pages")
    verdicts = pd.read_csv(tmp_path / "verdicts.csv")
    backends = verdicts[verdicts["question"] == "backends"]
    assert set(backends["b"]) == {"DiG-T/2@fla", "DiG-T/2@chunked"}
    assert set(backends["verdict"]) == {"in parity"}
    assert set(verdicts[verdicts["question"] == "families"]["b"]) == {"DiT-T/2@math"}
    ablation = pd.read_csv(tmp_path / "ablation.csv")
    assert list(ablation["measured_rank"]) == list(ablation["published_rank"])
    for question in ("backends", "families", "ablation"):
        assert (tmp_path / "pages" / f"train-digits-{question}" / "parity.html").is_file()


def test_what_several_gpus_ran_is_gathered_unless_conditions_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = (tmp_path / folder for folder in "abc")
    for folder, steps, name in ((a, 5, "DiG-T/2@fused"), (b, 5, "DiG-T/2@fla"), (c, 6, "DiG-T/2@chunked")):
        part = tuple(kept(name, seed) for seed in range(2))
        stored.write(Results(settings={"steps": steps}, environment={}, metric="FD-digits", runs=part), folder)
        (folder / "samples").mkdir()
        (folder / "samples" / f"{folder.name}.png").touch()
    arguments = ("--device", "cuda", "--out", tmp_path / "all", "--reports", tmp_path / "pages")
    started(monkeypatch, "--gather", a, b, *arguments)
    assert stored.read(tmp_path / "all").names == ["DiG-T/2@fused", "DiG-T/2@fla"]
    assert set(pd.read_csv(tmp_path / "all" / "verdicts.csv")["b"]) == {"DiG-T/2@fla"}
    assert {path.name for path in (tmp_path / "all" / "samples").iterdir()} == {"a.png", "b.png"}
    with pytest.raises(SystemExit):
        started(monkeypatch, "--gather", a, c, *arguments)
    shutil.rmtree(tmp_path / "all")
    with pytest.raises(ValueError, match="other settings: steps is 6 there, 5 here in"):
        started(monkeypatch, "--gather", a, c, *arguments)
    assert not (tmp_path / "all").exists()


def test_what_fails_is_named_and_the_rest_is_kept_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(contender, seed, *others):  # type: ignore[no-untyped-def]
        if contender.model.endswith("causal"):
            raise RuntimeError("CUDA error: planted")
        return kept(contender.name, seed), 0.0

    monkeypatch.setattr(runs, "_one", one)
    arguments = ["--device", "cpu", "--size", "N/4", "--out", tmp_path, "--reports", tmp_path / "pages"]
    started(monkeypatch, *arguments, "--seeds", "1")
    assert "DiG-N/4-causal@chunked seed 0: RuntimeError: CUDA error: planted" in capsys.readouterr().out
    started(monkeypatch, *arguments, "--seeds", "2")
    found = json.loads((tmp_path / "runs.json").read_text())
    assert len(found["runs"]) == 2 * 7
    assert found["settings"]["steps"] == 10_000
    ablation = pd.read_csv(tmp_path / "ablation.csv").set_index("variant")
    assert list(ablation["seeds"]) == [0, 2, 2, 2, 2]


def test_what_took_the_gpu_along_is_left_out_by_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> None:
        raise runs.ContextLostError("DiG-N/4@chunked")

    called: list[list[str]] = []
    monkeypatch.setattr(runs, "run", lose)
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command) or 3)
    with pytest.raises(SystemExit) as left:
        started(monkeypatch, "--device", "cpu", "--size", "N/4", "--out", tmp_path, "--seconds", "100")
    assert left.value.code == 3
    assert called[0][-6:-1] == ["--device", "cpu", "--without", "DiG-N/4@chunked", "--seconds"]
    assert 90 < float(called[0][-1]) <= 100


def test_on_a_gpu_a_failure_ends_its_process_and_what_was_run_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(contender, seed, *others):  # type: ignore[no-untyped-def]
        if contender.model.startswith("DiT"):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return kept(contender.name, seed), 0.0

    on_cpu = runs.extractor
    monkeypatch.setattr(runs, "_one", one)
    monkeypatch.setattr(runs, "extractor", lambda name, device: on_cpu(name, device="cpu"))
    said: list[str] = []
    settings = runs.Settings(budget=Budget(), num_samples=100, sampling=Sampling(sampler="ddim", steps=10))
    contenders = parse(["DiG-N/4@chunked", "DiT-N/4@sdpa", "DiS-N/4@chunked"], "cpu")
    with pytest.raises(runs.ContextLostError, match="DiT-N/4@sdpa"):
        runs.run(contenders, range(2), settings, tmp_path, device="cuda", say=said.append, past_failures=True)
    assert "an illegal memory access" in said[-1]
    assert [run.name for run in stored.read(tmp_path).runs] == ["DiG-N/4@chunked"]


def test_on_a_gpu_every_contender_can_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fla and mamba-ssm are installed."""
    monkeypatch.setattr(op, "_is_installed", lambda package: True)
    asked = runpy.run_path(str(SCRIPT))["asked"]("T/2", "cuda")
    names = list(dict.fromkeys(name for contenders in asked.values() for name in contenders))
    assert [contender.name for contender in parse(names, "cuda")] == names
    assert len(names) == 9
