"""Contests of tiny networks: what is the same for all contenders, what the folder keeps, what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("diffusers")

from dig_bench.cli import app
from dig_bench.files.lock import alone_in
from dig_bench.machine.device_lock import DeviceLockError, alone_on
from dig_bench.parity import runs
from dig_bench.parity.contenders import CHOICES, Contender, parse
from dig_bench.parity.results import Results, Run, other_conditions, read
from dig_bench.parity.runs import Settings
from dig_bench.parity.training import Budget, train
from dig_bench.train import data
from dig_models import DiG, DiGConfig, DiT, DiTConfig, Model
from dig_models.samplers import Sampling

SHARED = {"latent_size": 32, "patch_size": 8, "in_channels": 1, "num_classes": 10, "width": 32}
PLANTED = {
    "DiG-test/8": Model(DiG, DiGConfig(**SHARED, depth=4, num_heads=1)),  # type: ignore[arg-type]
    "DiT-test/8": Model(DiT, DiTConfig(**SHARED, depth=2, num_heads=1)),  # type: ignore[arg-type]
}
DIG, DIT = Contender(model="DiG-test/8", backend="chunked"), Contender(model="DiT-test/8", backend="sdpa")
BUDGET = Budget(steps=6, batch_size=4)
SETTINGS = Settings(budget=BUDGET, num_samples=70, sampling=Sampling(sampler="ddim", steps=2, clip=True))
RUN = Run(name="", seed=0, curve=(1.0,), distance=1, parameters=1, train_images_per_s=1, seconds=1, kernels="")


@pytest.fixture(autouse=True)
def _planted() -> Iterator[None]:
    CHOICES.update(PLANTED)
    yield
    for name in PLANTED:
        del CHOICES[name]


def losses(contender: Contender = DIG, *, seed: int = 0, budget: Budget = BUDGET) -> tuple[float, ...]:
    return train(contender, data.digits(), budget, seed=seed, device="cpu").losses


def test_the_same_seed_gives_the_same_losses_and_another_one_others() -> None:
    assert losses() == losses()
    assert losses()[0] != losses(seed=1)[0]


def test_two_backends_start_from_the_same_network_data_and_noise() -> None:
    chunked, reference = losses(), losses(replace(DIG, backend="reference"))
    assert chunked == pytest.approx(reference, rel=1e-4)


def test_other_architectures_see_the_same_data_and_noise() -> None:
    """At the start adaLN-Zero networks predict zero, whatever their architecture: the loss tells the inputs."""
    assert losses()[0] == pytest.approx(losses(DIT)[0], rel=1e-6)


def test_it_learns() -> None:
    found = losses(budget=Budget(steps=60, batch_size=16))
    assert sum(found[-10:]) < 0.8 * sum(found[:10])


def test_averaged_weights_are_sampled_from() -> None:
    torch.manual_seed(0)
    start = PLANTED["DiG-test/8"].architecture(PLANTED["DiG-test/8"].config, backend="chunked")
    slow, fast = (
        train(DIG, data.digits(), replace(BUDGET, ema_decay=decay), seed=0, device="cpu").model for decay in (0.999, 0)
    )
    moved = [
        sum(float((a - b).detach().abs().sum()) for a, b in zip(model.parameters(), start.parameters(), strict=True))
        for model in (slow, fast)
    ]
    assert 0 < moved[0] < 0.02 * moved[1]


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    with pytest.raises(ValueError, match="DiG-test/8@chunked, seed 0: the loss is not finite"):
        losses(budget=replace(BUDGET, learning_rate=1e30))


def test_runs_are_kept_and_not_repeated(tmp_path: Path) -> None:
    said: list[str] = []
    first = runs.run([DIG], [0, 1], SETTINGS, tmp_path, device="cpu", say=said.append)
    again = runs.run([DIG, DIT], [0, 1], SETTINGS, tmp_path, device="cpu", say=said.append)
    assert [line.split(":")[0] for line in said] == [
        "DiG-test/8@chunked seed 0",
        "DiG-test/8@chunked seed 1",
        "DiT-test/8@sdpa seed 0",
        "DiT-test/8@sdpa seed 1",
    ]
    assert again.runs[:2] == first.runs
    assert read(tmp_path) == again
    assert len(again.of(DIG.name)[0].curve) == 6
    assert len(list((tmp_path / "samples").glob("*.png"))) == 4


def test_other_settings_are_refused_in_the_same_folder(tmp_path: Path) -> None:
    runs.run([DIG], [0], SETTINGS, tmp_path, device="cpu", say=lambda text: None)
    other = replace(SETTINGS, budget=replace(BUDGET, steps=7))
    with pytest.raises(ValueError, match="runs of other settings: steps is 6 there, 7 here"):
        runs.run([DIG], [0], other, tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "FID"}, "runs of another metric: metric is FID there, FD-digits here"),
        ({"environment": {"torch": "1.0"}}, "runs of another machine: torch is 1.0 there, 2.0 here"),
        ({"environment": {"torch": "2.0", "git_revision": "x"}}, ""),
    ],
)
def test_runs_of_other_conditions_are_told_apart(change: dict[str, Any], says: str) -> None:
    here = Results(settings={"steps": 1}, environment={"torch": "2.0"}, metric="FD-digits")
    assert other_conditions(replace(here, **change), here) == says


def test_more_samples_than_memory_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="1,000,000 samples at most are held in memory, not 1,000,001"):
        replace(SETTINGS, num_samples=1_000_001)


def test_two_contests_never_share_a_folder(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(ValueError, match="is being written by process"):
        runs.run([DIG, DIT], [0], SETTINGS, tmp_path, device="cpu", say=lambda text: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("[" * 100_000, "it is nested too deeply", id="nested"),
        ("[]", r"the whole is \[\], not of type Mapping"),
        ('{"settings": [], "environment": {}, "metric": "FD"}', r"settings is \[\], not of type Mapping"),
        ('{"settings": {}, "environment": {}, "metric": "FD", "runs": [3]}', r"runs\[0\] is 3, not of type Mapping"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "runs.json").write_text(content)
    with pytest.raises(ValueError, match=rf"runs\.json holds no parity runs: {message}"):
        runs.run([DIG], [0], SETTINGS, tmp_path, device="cpu")


def test_the_device_is_held_while_its_speed_is_measured(tmp_path: Path) -> None:
    said: list[str] = []
    with alone_on("cpu", wait_s=None, say=said.append):
        runs.run([DIG], [0], SETTINGS, tmp_path, device="cpu", say=said.append)
        with pytest.raises(DeviceLockError, match="the CPU is in use"):
            runs.run([DIG], [1], SETTINGS, tmp_path, device="cpu", wait_s=0, say=said.append)
    assert "may be too slow" in said[0]


def test_time_that_is_over_leaves_runs_out(tmp_path: Path) -> None:
    said: list[str] = []
    found = runs.run([DIG, DIT], [0], SETTINGS, tmp_path, device="cpu", seconds=1e-9, say=said.append)
    assert found.runs == ()
    assert said == ["1e-09 s are nearly over, and not begun: DiG-test/8@chunked seed 0, DiT-test/8@sdpa seed 0"]


def scripted(monkeypatch: pytest.MonkeyPatch, costs_s: dict[str, tuple[float, float]]) -> None:
    """Runs that take what is said, by a clock of their own: at first (compiling included), and later."""
    clock, begun = [0.0], set[str]()

    def one(contender: Contender, seed: int, *others: object) -> tuple[Run, float]:
        first_s, later_s = costs_s[contender.name]
        seconds = later_s if contender.name in begun else first_s
        begun.add(contender.name)
        clock[0] += seconds
        if seconds < 0:
            raise RuntimeError("CUDA error: planted\nand more")
        return replace(RUN, name=contender.name, seed=seed, seconds=seconds), seconds - later_s

    monkeypatch.setattr(runs, "_one", one)
    monkeypatch.setattr(runs, "perf_counter", lambda: clock[0])


def test_a_slow_first_call_and_a_slow_contender_leave_the_others_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first compiles for 200 s, the second takes 60 s a run: at 310 s there is time for the first only."""
    scripted(monkeypatch, {DIG.name: (210, 10), DIT.name: (60, 60)})
    said: list[str] = []
    found = runs.run([DIG, DIT], [0, 1, 2], SETTINGS, tmp_path, device="cpu", seconds=310, say=said.append)
    assert [(run.name, run.seed) for run in found.runs] == [(DIG.name, 0), (DIT.name, 0), (DIG.name, 1), (DIG.name, 2)]
    assert said[-1].endswith("not begun: DiT-test/8@sdpa seed 1, DiT-test/8@sdpa seed 2")


def test_past_failures_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, {DIG.name: (-1, -1), DIT.name: (1, 1)})
    with pytest.raises(RuntimeError, match="planted"):
        runs.run([DIG, DIT], [0], SETTINGS, tmp_path, device="cpu")
    said: list[str] = []
    found = runs.run([DIG, DIT], [0, 1], SETTINGS, tmp_path, device="cpu", say=said.append, past_failures=True)
    assert [(run.name, run.seed) for run in found.runs] == [(DIT.name, 0), (DIT.name, 1)]
    assert said[0] == "DiG-test/8@chunked seed 0: RuntimeError: CUDA error: planted"


def test_the_command_writes_a_page_and_says_parity(tmp_path: Path) -> None:
    arguments = ["parity", "DiG-test/8@chunked", "DiG-test/8@reference", "--steps", "3", "--batch", "4"]
    arguments += ["--samples", "70", "--sampler-steps", "2", "--out", str(tmp_path), "--device", "cpu"]
    found = CliRunner().invoke(app, [*arguments, "--seeds", "2"])
    assert "DiG-test/8@reference" in found.output
    assert (tmp_path / "parity.html").exists()
    # Nothing is learnt in three steps, but the same computation is never different.
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["DiG-test/9"], "no model for digits 'DiG-test/9': did you mean DiG-test/8"),
        (["DiG-test/8@flash2"], "has no backend"),
        (["DiG-test/8@fused"], "DiG-test/8@fused cannot be trained here: fused:"),
        (["DiG-test/8", "DiG-test/8@chunked"], "DiG-test/8@chunked is named twice"),
    ],
)
def test_contenders_that_cannot_be_are_named(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(names, "cpu")


def test_on_a_gpu_a_contender_takes_a_backend_of_the_precision() -> None:
    """FlashAttention-2, the default of sweeps there, is for half precision only."""
    (contender,) = parse(["DiT-T/2"], "cuda")
    assert contender.name == "DiT-T/2@math"


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"learning_rate": -1.0}, {"learning_rate": float("inf")}, {"ema_decay": 1.0}]
)
def test_budgets_that_make_no_sense_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Budget(**options)


def test_a_budget_of_more_images_than_can_be_lined_up_is_refused() -> None:
    with pytest.raises(ValueError, match="1,073,741,824 images at most, not 2,000,000,000,000,000"):
        Budget(steps=2, batch_size=10**15)


def test_too_few_samples_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match="64 samples are too few for a covariance of 64 features"):
        replace(SETTINGS, num_samples=64)
