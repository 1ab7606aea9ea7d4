"""The training loop on tiny networks: what a step computes, how a run resumes, what is rejected."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")

from dig_bench.train import checkpoint_file, data, models, placement, recipe
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Source
from dig_bench.train.data.order import Pick, picks
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.loop import Trainer
from dig_bench.train.models import parse
from dig_bench.train.progress import Progress
from dig_bench.train.settings import FOR_DIGITS, Settings
from dig_bench.train.start import fresh, resume_or_fresh
from training import TINY_MODELS

BACKENDS = {"DiG-test/8": "chunked", "DiT-test/8": "sdpa"}
SETTINGS = replace(FOR_DIGITS, steps=6, batch_size=8, warmup=2)
DIGITS = data.find(None, image_size=None)


@pytest.fixture(autouse=True)
def _tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model in TINY_MODELS.items():
        monkeypatch.setitem(models.FOR_DIGITS, name, model)


def trainer(
    settings: Settings = SETTINGS,
    *,
    model: str = "DiG-test/8",
    start: Checkpoint | None = None,
    source: Source = DIGITS,
    workers: int = 0,
) -> Trainer:
    backend = BACKENDS[model]
    start = start or fresh(model, source, settings, backend=backend, initial=None)
    return Trainer(start, source, settings, backend=backend, device="cpu", workers=workers)


def reports(found: Trainer, folder: Path, *, save_every: int = 100, report_every: int = 1) -> Iterator[Progress]:
    return found.run(folder / "last.safetensors", report_every=report_every, save_every=save_every)


def losses(found: Trainer, folder: Path, **options: int) -> list[float]:
    return [loss for report in reports(found, folder, **options) for loss in report.losses]


def state(found: Trainer) -> Checkpoint:
    whole = found.checkpoint()
    assert whole is not None
    return whole


def assert_same(a: Checkpoint, b: Checkpoint, **tolerance: float) -> None:
    for kind in checkpoint_file.KINDS:
        x, y = getattr(a, kind), getattr(b, kind)
        assert x.keys() == y.keys()
        for name in x:
            torch.testing.assert_close(x[name], y[name], **({"atol": 0, "rtol": 0} | tolerance), msg=f"{kind}.{name}")


def test_a_step_is_adamw_on_the_hybrid_loss(tmp_path: Path) -> None:
    """Compares two training steps with the same computed by hand."""
    found = trainer(replace(SETTINGS, steps=2))
    network = copy.deepcopy(found.network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=SETTINGS.learning_rate, weight_decay=0.0)
    averages = [parameter.detach().clone() for parameter in network.parameters()]
    expected = []
    for step in range(2):
        draws = recipe.Draws((8, 1, 32, 32), seed=0, device="cpu")
        draws.fill(step)
        images, labels = zip(*map(DIGITS.load, picks(5000, 8 * step, 8, seed=0)), strict=True)
        image = torch.stack(images)
        label = torch.where(draws.chance < 0.1, 10, torch.tensor(labels))
        diffusion = Diffusion.linear()
        noisy = diffusion.add_noise(image, draws.noise, draws.timestep)
        parts = diffusion.losses(network(noisy, draws.timestep, label), image, draws.noise, noisy, draws.timestep)
        loss = parts.simple.mean() + parts.vlb.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = SETTINGS.learning_rate * (step + 1) / 2
        optimizer.step()
        expected.append(loss.item())
        averages = [0.99 * a + 0.01 * p.detach() for a, p in zip(averages, network.parameters(), strict=True)]
    assert losses(found, tmp_path) == pytest.approx(expected, rel=1e-6)
    for (name, parameter), average in zip(network.named_parameters(), averages, strict=True):
        torch.testing.assert_close(found.state.masters[name], parameter, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(found.state.averages[name], average, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path: Path, precision: str) -> None:
    settings = replace(SETTINGS, precision=precision)
    whole = trainer(settings)
    expected = losses(whole, tmp_path)
    path = tmp_path / "stopped" / "last.safetensors"
    path.parent.mkdir()
    stopped = trainer(settings).run(path, report_every=1, save_every=3)
    # The two steps after the checkpoint are lost.
    first = [next(stopped).losses[0] for _ in range(5)]
    stopped.close()
    start = resume_or_fresh("DiG-test/8", DIGITS, settings, backend="chunked", path=path)
    assert start.step == 3
    resumed = trainer(settings, start=start)
    assert first[:3] + losses(resumed, path.parent) == expected
    assert_same(state(resumed), state(whole))
    assert_same(checkpoint_file.load(path, with_optimizer=True), state(whole))


def test_accumulated_gradients_equal_those_of_the_whole_batch(tmp_path: Path) -> None:
    whole, parts = trainer(), trainer(replace(SETTINGS, accumulate=4))
    assert losses(whole, tmp_path) == pytest.approx(losses(parts, tmp_path), rel=1e-5)
    # AdamW normalizes gradients: where one is only a rounding error, its sign may flip.
    assert_same(replace(state(whole), optimizer={}), replace(state(parts), optimizer={}), atol=2e-3, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recomputed_blocks_change_nothing(tmp_path: Path, precision: str) -> None:
    settings = replace(SETTINGS, precision=precision)
    kept, again = trainer(settings), trainer(replace(settings, recompute=True))
    assert losses(kept, tmp_path) == losses(again, tmp_path)
    assert_same(state(kept), state(again))


def test_bf16_computes_in_bf16_and_keeps_master_weights_in_fp32(tmp_path: Path) -> None:
    found = trainer(replace(SETTINGS, precision="bf16"))
    coarse, fine = losses(found, tmp_path), losses(trainer(), tmp_path)
    assert coarse != fine
    assert coarse == pytest.approx(fine, rel=0.02)
    assert {parameter.dtype for parameter in found.network.parameters()} == {torch.bfloat16}
    assert {value.dtype for value in state(found).averages.values()} == {torch.float32}
    rounded = [torch.equal(value, value.bfloat16().float()) for value in found.state.masters.values()]
    assert not all(rounded)


def test_images_are_generated_from_the_averages(tmp_path: Path) -> None:
    found = trainer()
    losses(found, tmp_path)
    drawn, whole = found.averaged(), state(found)
    for states in (drawn.weights, drawn.averages):
        assert states.keys() == whole.averages.keys()
        assert all(torch.equal(value, whole.averages[name]) for name, value in states.items())


def test_gradients_are_clipped_to_the_norm(tmp_path: Path) -> None:
    """After the first step, AdamW's first moment is a tenth of the gradient."""
    found = trainer(replace(SETTINGS, steps=1, clip=1e-3))
    (report,) = reports(found, tmp_path)
    moments = [value for name, value in state(found).optimizer.items() if name.startswith("exp_avg.")]
    assert report.gradient_norm > 0.01
    assert 10 * float(torch.stack([value.norm() for value in moments]).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_averages_follow_their_formula() -> None:
    averages, values = [torch.tensor([1.0, 2.0])], [torch.tensor([3.0, 0.0])]
    recipe.update_averages(averages, values, 0.9)
    torch.testing.assert_close(averages[0], torch.tensor([0.9 * 1 + 0.1 * 3, 0.9 * 2]))


def test_draws_depend_on_seed_and_step_only() -> None:
    def drawn(seed: int, *steps: int) -> torch.Tensor:
        draws = recipe.Draws((4, 1, 8, 8), seed=seed, device="cpu")
        for step in steps:
            draws.fill(step)
        return draws.noise.clone()

    assert torch.equal(drawn(0, 0, 1, 7), drawn(0, 7))
    assert not torch.equal(drawn(0, 7), drawn(0, 8))
    assert not torch.equal(drawn(0, 7), drawn(1, 7))


def test_all_timesteps_occur_and_the_share_of_dropped_labels_is_right() -> None:
    draws = recipe.Draws((20_000, 1, 1, 1), seed=0, device="cpu")
    draws.fill(0)
    assert (int(draws.timestep.min()), int(draws.timestep.max())) == (0, 999)
    dropped = recipe.some_dropped(torch.zeros(20_000, dtype=torch.long), draws.chance, 0.1, 10)
    assert float((dropped == 10).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_threads_that_read_ahead_change_nothing(tmp_path: Path) -> None:
    assert losses(trainer(workers=3), tmp_path) == losses(trainer(), tmp_path)


def test_reports_hold_every_loss_once(tmp_path: Path) -> None:
    found = list(reports(trainer(), tmp_path, report_every=4, save_every=5))
    assert [(report.step, len(report.losses), report.saved) for report in found] == [
        (4, 4, False),
        (5, 1, True),
        (6, 1, True),
    ]


def test_a_report_is_shown_before_its_checkpoint_is_written(tmp_path: Path) -> None:
    path, seen = tmp_path / "last.safetensors", []

    def show(report: Progress) -> None:
        seen.append((report.step, checkpoint_file.load(path).step if path.exists() else 0))

    list(trainer().run(path, report_every=1, save_every=1, show=show))
    assert seen == [(step, step - 1) for step in range(1, 7)]


class Broken(data.Digits):
    """Digits whose pixels are NaN from the 20th image on."""

    def load(self, pick: Pick) -> tuple[torch.Tensor, int]:
        image, label = super().load(pick)
        is_late = pick in {each._replace(flipped=pick.flipped) for each in picks(5000, 20, 28, seed=0)}
        return (image * float("nan") if is_late else image), label


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    found = trainer(source=Broken())
    with pytest.raises(ValueError, match=r"the loss is not finite at step 3, .*last\.safetensors is unchanged"):
        list(reports(found, tmp_path, save_every=2))
    kept = checkpoint_file.load(tmp_path / "last.safetensors", with_optimizer=True)
    assert kept.step == 2
    assert all(value.isfinite().all() for value in kept.weights.values())


def test_a_step_that_breaks_the_parameters_is_not_saved(tmp_path: Path) -> None:
    """The loss is computed before the update, and may still be finite."""
    found = trainer(replace(SETTINGS, steps=1))
    next(iter(found.state.masters.values())).data[0] = float("inf")
    found._train_on = found._next_loss = lambda *_: torch.zeros(())  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"is not finite at step 1: .* is unchanged"):
        list(reports(found, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_diverged_weights_do_not_replace_the_checkpoint(tmp_path: Path) -> None:
    """The weights are finite; only the loss of the next step is not."""
    list(reports(trainer(replace(SETTINGS, steps=1)), tmp_path))
    before = (tmp_path / "last.safetensors").read_bytes()
    start = checkpoint_file.load(tmp_path / "last.safetensors", with_optimizer=True)
    found = trainer(replace(SETTINGS, steps=2, learning_rate=1e30), start=start)
    with pytest.raises(ValueError, match=r"the loss is not finite at step 3, .* is unchanged"):
        list(reports(found, tmp_path, save_every=1))
    assert all(value.isfinite().all() for value in state(found).weights.values())
    assert (tmp_path / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 1e-3}, "learning_rate is 0.003 there, 0.001 here"),
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"batch_size": 4}, "batch_size is 8 there, 4 here"),
        ({"precision": "bf16"}, "precision is fp32 there, bf16 here"),
    ],
)
def test_a_checkpoint_of_another_run_is_rejected(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint_file.save(fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=None), path)
    with pytest.raises(ValueError, match=f"belongs to another run: {message}; choose another --out"):
        resume_or_fresh("DiG-test/8", DIGITS, replace(SETTINGS, **change), backend="chunked", path=path)


def test_a_checkpoint_of_another_model_or_without_state_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint_file.save(fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=None), path)
    with pytest.raises(ValueError, match="belongs to another run: model is DiG-test/8 there, DiT-test/8 here"):
        resume_or_fresh("DiT-test/8", DIGITS, SETTINGS, backend="sdpa", path=path)
    with pytest.raises(ValueError, match="no optimizer state to resume from"):
        resume_or_fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is broken or not a checkpoint of dig-bench: choose another --out, or"):
        resume_or_fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)


def test_an_incomplete_optimizer_state_is_rejected(tmp_path: Path) -> None:
    """AdamW would silently restart for that parameter."""
    path, name = tmp_path / "last.safetensors", "final_layer.linear.bias"
    list(trainer().run(path, report_every=6, save_every=6))
    whole = checkpoint_file.load(path, with_optimizer=True)
    part = {key: value for key, value in whole.optimizer.items() if not key.endswith(name)}
    checkpoint_file.save(replace(whole, optimizer=part), path)
    with pytest.raises(ValueError, match=f"optimizer state exp_avg.{name} is missing; choose another --out, or"):
        resume_or_fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)


def test_a_run_resumes_with_more_steps_and_another_engine(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    list(trainer().run(path, report_every=6, save_every=6))
    more = replace(SETTINGS, steps=9, accumulate=2, recompute=True)
    start = resume_or_fresh("DiG-test/8", DIGITS, more, backend="chunked", path=path)
    assert len(losses(trainer(more, start=start), tmp_path)) == 3


def test_a_run_starts_from_the_averages_of_another(tmp_path: Path) -> None:
    first = trainer()
    losses(first, tmp_path)
    initial = checkpoint_file.load(tmp_path / "last.safetensors")
    start = fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=initial)
    assert start.step == 0
    assert all(torch.equal(start.weights[name], value) for name, value in state(first).averages.items())
    assert start.run["initial"] == "DiG-test/8 digits step 6"
    with pytest.raises(ValueError, match="the parameters do not fit DiT"):
        fresh("DiT-test/8", DIGITS, SETTINGS, backend="sdpa", initial=initial)


def test_a_batch_that_cannot_be_divided_is_rejected() -> None:
    with pytest.raises(
        ValueError, match="a batch of 8 images cannot be divided evenly among 1 processes with 3 parts each"
    ):
        trainer(replace(SETTINGS, accumulate=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be positive"),
        ({"batch_size": -1}, "batch_size must be positive"),
        ({"batch_size": 10**20}, "no machine has the memory for a batch of 1000"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"clip": 0.0}, "clip, the largest gradient norm, must be positive"),
        ({"warmup": -1}, "warmup"),
        ({"seed": -1}, "seed must be between 0 and"),
        ({"seed": 2**64}, "seed must be between 0 and"),
        ({"precision": "fp8"}, "fp32, tf32, bf16, not 'fp8'"),
    ],
)
def test_settings_out_of_range_are_rejected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DiG-Q/4", "no model 'DiG-Q/4'"),
        ("DiG-N/4@flash9", "DiG-N/4 has no backend 'flash9'"),
        ("DiG-N/4@fused", "DiG-N/4@fused cannot train here: fused"),
    ],
)
def test_models_that_cannot_be_trained_are_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(name, models.FOR_DIGITS, device="cpu", precision="fp32")


def test_models_for_latents_do_not_take_images() -> None:
    with pytest.raises(
        ValueError, match="DiG-S/2 takes latents, but digits has images: encode them with `dig-bench encode`"
    ):
        fresh("DiG-S/2", DIGITS, SETTINGS, backend="chunked", initial=None)


def test_the_published_recipe_is_the_default() -> None:
    found = Settings()
    assert (found.batch_size, found.learning_rate, found.ema_decay, found.label_dropout) == (256, 1e-4, 0.9999, 0.1)
    assert (found.warmup, found.clip, found.flip) == (0, None, True)


@pytest.mark.parametrize(
    ("version", "policy", "message"),
    [(1, None, "FSDP needs fsdp_version 2"), (2, lambda module: True, "set fsdp_auto_wrap_policy to NO_WRAP")],
)
def test_other_ways_to_shard_are_rejected(version: int, policy: Any, message: str) -> None:
    from accelerate.utils import DistributedType

    plugin = SimpleNamespace(auto_wrap_policy=policy)
    accelerator: Any = SimpleNamespace(
        distributed_type=DistributedType.FSDP, is_fsdp2=version == 2, state=SimpleNamespace(fsdp_plugin=plugin)
    )
    with pytest.raises(ValueError, match=message):
        placement.prepare(
            accelerator, TINY_MODELS["DiT-test/8"].architecture(TINY_MODELS["DiT-test/8"].config, backend="sdpa")
        )
