"""Contests of tiny networks: what contenders share, what the folder stores, what is rejected."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers")

from dig_bench.files.lock import alone_in
from dig_bench.machine.device_lock import DeviceLockError, alone_on
from dig_bench.parity import contest
from dig_bench.parity.contenders import CHOICES, Contender, parse
from dig_bench.parity.contest import Contest
from dig_bench.parity.results import Results, Run
from dig_bench.parity.settings import Budget, Settings
from dig_bench.parity.store import difference, read
from dig_bench.parity.training import Trained, train
from dig_bench.parity.trial import Trial, Trials
from dig_bench.train import data
from dig_models.samplers import Sampling
from harness import run_command
from training import TINY_MODELS

DIG, DIT = Contender(model="DiG-test/8", backend="chunked"), Contender(model="DiT-test/8", backend="sdpa")
BUDGET = Budget(steps=6, batch_size=4)
SETTINGS = Settings(budget=BUDGET, num_images=70, sampling=Sampling(sampler="ddim", steps=2, clip=True))
RUN = Run(name="", seed=0, curve=(1.0,), distance=1, parameters=1, train_images_per_s=1, seconds=1, kernels="")


@pytest.fixture(autouse=True, scope="module")
def _tiny_models() -> Iterator[None]:
    CHOICES.update(TINY_MODELS)
    yield
    for name in TINY_MODELS:
        del CHOICES[name]


def trained(contender: Contender = DIG, *, seed: int = 0, budget: Budget = BUDGET) -> Trained:
    return train(contender, data.digits(), budget, seed=seed, device="cpu")


def losses(contender: Contender = DIG, *, seed: int = 0, budget: Budget = BUDGET) -> tuple[float, ...]:
    return trained(contender, seed=seed, budget=budget).losses


@pytest.fixture(scope="module")
def first(_tiny_models: None) -> Trained:
    """DIG with seed 0."""
    return trained()


def run(
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    folder: Path,
    *,
    settings: Settings = SETTINGS,
    **options: Any,
) -> Results:
    contest = Contest(contenders=contenders, seeds=seeds, settings=settings, device="cpu")
    return contest.run(folder, **({"say": lambda text: None} | options))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, _tiny_models: None) -> Path:
    """A folder with two seeds of DIG."""
    folder = tmp_path_factory.mktemp("stored")
    run([DIG], [0, 1], folder)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(stored, tmp_path / "stored"))


def test_the_same_seed_gives_the_same_losses_and_another_one_others(first: Trained) -> None:
    assert losses() == first.losses
    assert losses(seed=1)[0] != first.losses[0]


def test_two_backends_start_from_the_same_network_data_and_noise(first: Trained) -> None:
    assert losses(replace(DIG, backend="reference")) == pytest.approx(first.losses, rel=1e-4)


def test_other_architectures_see_the_same_data_and_noise(first: Trained) -> None:
    """A network with initial weights predicts zero in any architecture: its loss depends on the inputs only."""
    assert losses(DIT)[0] == pytest.approx(first.losses[0], rel=1e-6)


def test_it_learns() -> None:
    found = losses(budget=Budget(steps=60, batch_size=16))
    assert sum(found[-10:]) < 0.8 * sum(found[:10])


def test_images_are_generated_with_the_averaged_weights() -> None:
    torch.manual_seed(0)
    start = DIG.choice.architecture(DIG.choice.config, backend="chunked")
    slow, fast = (trained(budget=replace(BUDGET, ema_decay=decay)).model for decay in (0.999, 0))
    moved = [
        sum(float((a - b).detach().abs().sum()) for a, b in zip(model.parameters(), start.parameters(), strict=True))
        for model in (slow, fast)
    ]
    assert 0 < moved[0] < 0.02 * moved[1]


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    with pytest.raises(ValueError, match="DiG-test/8@chunked, seed 0: the loss is not finite"):
        losses(budget=replace(BUDGET, learning_rate=1e30))


def test_runs_are_stored_and_not_repeated(folder: Path) -> None:
    before, said = read(folder), list[str]()
    assert [(run.name, run.seed, len(run.curve)) for run in before.runs] == [(DIG.name, 0, 6), (DIG.name, 1, 6)]
    again = run([DIG, DIT], [0, 1], folder, say=said.append)
    assert [line.split(":")[0] for line in said] == ["DiT-test/8@sdpa seed 0", "DiT-test/8@sdpa seed 1"]
    assert again.runs[:2] == before.runs
    assert read(folder) == again
    assert len(list((folder / "images").glob("*.png"))) == 4


def test_other_settings_are_rejected_in_the_same_folder(folder: Path) -> None:
    other = replace(SETTINGS, budget=replace(BUDGET, steps=7))
    with pytest.raises(ValueError, match="runs of other settings: steps is 6 there, 7 here"):
        run([DIG], [0], folder, settings=other)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "FID"}, "runs of another metric: metric is FID there, FD-digits here"),
        ({"environment": {"torch": "1.0"}}, "runs of another machine: torch is 1.0 there, 2.0 here"),
        ({"environment": {"torch": "2.0", "git_revision": "x"}}, ""),
    ],
)
def test_runs_under_other_conditions_are_recognized(change: dict[str, Any], says: str) -> None:
    here = Results(settings={"steps": 1}, environment={"torch": "2.0"}, metric="FD-digits")
    assert difference(replace(here, **change), here) == says


def test_more_images_than_memory_holds_are_rejected() -> None:
    with pytest.raises(ValueError, match="at most 1,000,000 images fit in memory, not 1,000,001"):
        replace(SETTINGS, num_images=1_000_001)


def test_two_contests_never_share_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(ValueError, match="is being written by process"):
        run([DIG, DIT], [0], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("[" * 100_000, "it is nested too deeply", id="nested"),
        ("[]", r"the value is \[\], not of type Mapping"),
        ('{"settings": [], "environment": {}, "metric": "FD"}', r"settings is \[\], not of type Mapping"),
        ('{"settings": {}, "environment": {}, "metric": "FD", "runs": [3]}', r"runs\[0\] is 3, not of type Mapping"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "runs.json").write_text(content)
    with pytest.raises(ValueError, match=rf"runs\.json holds no parity runs: {message}"):
        run([DIG], [0], tmp_path)


def test_the_device_is_locked_during_a_contest(tmp_path: Path) -> None:
    said: list[str] = []
    with alone_on("cpu", wait_s=None, say=said.append):
        run([], [0], tmp_path, say=said.append)
        with pytest.raises(DeviceLockError, match="the CPU is in use"):
            run([], [0], tmp_path, wait_s=0, say=said.append)
    assert "measured times may be too long" in said[0]


def test_no_run_starts_when_the_time_is_over(tmp_path: Path) -> None:
    said: list[str] = []
    found = run([DIG, DIT], [0], tmp_path, seconds=1e-9, say=said.append)
    assert found.runs == ()
    assert said == ["not started, since 1e-09 s would not suffice: DiG-test/8@chunked seed 0, DiT-test/8@sdpa seed 0"]


def script(monkeypatch: pytest.MonkeyPatch, costs_s: dict[str, tuple[float, float]]) -> None:
    """Replaces runs by ones that take the first duration, with compilation, and then the second, on a fake clock.

    A negative duration is a failure.
    """
    clock, started = [0.0], set[str]()

    def one(self: Trials, contender: Contender, seed: int) -> Trial:
        first_s, later_s = costs_s[contender.name]
        seconds = later_s if contender.name in started else first_s
        started.add(contender.name)
        clock[0] += seconds
        if seconds < 0:
            raise RuntimeError("CUDA error: planted")
        found = replace(RUN, name=contender.name, seed=seed, seconds=seconds)
        return Trial(run=found, images=np.zeros((1, 1, 4, 4), dtype=np.uint8), preparation_s=seconds - later_s)

    monkeypatch.setattr(Trials, "run", one)
    monkeypatch.setattr(contest, "perf_counter", lambda: clock[0])


def test_a_slow_first_call_and_a_slow_contender_leave_time_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first contender compiles for 200 s, the second takes 60 s per run: 310 s leave time for the first only."""
    script(monkeypatch, {DIG.name: (210, 10), DIT.name: (60, 60)})
    said: list[str] = []
    found = run([DIG, DIT], [0, 1, 2], tmp_path, seconds=310, say=said.append)
    assert [(run.name, run.seed) for run in found.runs] == [(DIG.name, 0), (DIT.name, 0), (DIG.name, 1), (DIG.name, 2)]
    assert said[-1].endswith("DiT-test/8@sdpa seed 1, DiT-test/8@sdpa seed 2")


def test_a_failure_ends_the_contest_unless_it_is_handled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, {DIG.name: (-1, -1), DIT.name: (1, 1)})
    with pytest.raises(RuntimeError, match="planted"):
        run([DIG, DIT], [0], tmp_path)
    failures: list[tuple[Contender, int, str]] = []
    found = run(
        [DIG, DIT], [0, 1], tmp_path, on_failure=lambda *failure: failures.append((*failure[:2], str(failure[2])))
    )
    assert [(run.name, run.seed) for run in found.runs] == [(DIT.name, 0), (DIT.name, 1)]
    assert failures == [(DIG, 0, "CUDA error: planted")]


def test_the_command_writes_a_page_and_the_verdict(tmp_path: Path) -> None:
    options = ["--steps", 3, "--batch", 4, "--images", 70, "--sampler-steps", 2, "--seeds", 2]
    ran = run_command(
        "parity", "DiG-test/8@chunked", "DiG-test/8@reference", *options, "--out", tmp_path, "--device", "cpu"
    )
    assert "DiG-test/8@reference" in ran.out
    assert (tmp_path / "parity.html").exists()
    # Nothing is learned in three steps, but the same computation is never different.
    assert ran.code == 3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["DiG-test/9"], "no model 'DiG-test/9': did you mean DiG-test/8"),
        (["DiG-test/8@flash2"], "has no backend"),
        (["DiG-test/8@fused"], "DiG-test/8@fused cannot train here: fused:"),
        (["DiG-test/8", "DiG-test/8@chunked"], "DiG-test/8@chunked is named twice"),
    ],
)
def test_wrong_contenders_are_named(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(names, "cpu")


def test_on_a_gpu_the_default_backend_supports_tf32() -> None:
    """FlashAttention-2, the default of sweeps, supports half precision only."""
    (contender,) = parse(["DiT-T/2"], "cuda")
    assert contender.name == "DiT-T/2@math"


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"learning_rate": -1.0}, {"learning_rate": float("inf")}, {"ema_decay": 1.0}]
)
def test_budgets_out_of_range_are_rejected(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Budget(**options)


def test_a_budget_with_too_many_images_is_rejected() -> None:
    with pytest.raises(ValueError, match="at most 1,073,741,824 images, not 2,000,000,000,000,000"):
        Budget(steps=2, batch_size=10**15)


def test_too_few_images_are_rejected_before_training() -> None:
    with pytest.raises(ValueError, match="64 images are too few for a covariance of 64 features"):
        replace(SETTINGS, num_images=64)
