"""The loop on tiny networks: what a step computes, what a run that goes on repeats, what is refused."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")

from dig_bench.train import checkpoint, data, models, placement, recipe
from dig_bench.train.checkpoint import Checkpoint
from dig_bench.train.data import Source
from dig_bench.train.data.order import Pick, picks
from dig_bench.train.diffusion import Diffusion
from dig_bench.train.loop import Progress, Trainer
from dig_bench.train.settings import OF_DIGITS, Settings
from dig_bench.train.start import begun, chosen, fresh
from dig_models import DiG, DiGConfig, DiT, DiTConfig, Model

SHARED: dict[str, Any] = {"latent_size": 32, "patch_size": 8, "in_channels": 1, "num_classes": 10, "width": 32}
PLANTED = {
    "DiG-test/8": Model(DiG, DiGConfig(**SHARED, depth=4, num_heads=1)),
    "DiT-test/8": Model(DiT, DiTConfig(**SHARED, depth=2, num_heads=1)),
}
BACKENDS = {"DiG-test/8": "chunked", "DiT-test/8": "sdpa"}
SETTINGS = replace(OF_DIGITS, steps=6, batch_size=8, warmup=2)
DIGITS = data.find(None, image_size=None)


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model in PLANTED.items():
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
    for kind in checkpoint.KINDS:
        x, y = getattr(a, kind), getattr(b, kind)
        assert x.keys() == y.keys()
        for name in x:
            torch.testing.assert_close(x[name], y[name], **({"atol": 0, "rtol": 0} | tolerance), msg=f"{kind}.{name}")


def test_a_step_is_adamw_on_the_hybrid_loss(tmp_path: Path) -> None:
    """The same, by hand."""
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
        torch.testing.assert_close(found.masters[name], parameter, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(found.averages[name], average, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_that_goes_on_has_the_losses_of_one_that_was_never_stopped(tmp_path: Path, precision: str) -> None:
    settings = replace(SETTINGS, precision=precision)
    whole = trainer(settings)
    expected = losses(whole, tmp_path)
    path = tmp_path / "stopped" / "last.safetensors"
    path.parent.mkdir()
    stopped = trainer(settings).run(path, report_every=1, save_every=3)
    # Two steps behind the checkpoint are lost.
    first = [next(stopped).losses[0] for _ in range(5)]
    stopped.close()
    start = begun("DiG-test/8", DIGITS, settings, backend="chunked", path=path)
    assert start.step == 3
    going_on = trainer(settings, start=start)
    assert first[:3] + losses(going_on, path.parent) == expected
    assert_same(state(going_on), state(whole))
    assert_same(checkpoint.load(path, to_go_on=True), state(whole))


def test_a_batch_in_parts_is_the_batch(tmp_path: Path) -> None:
    whole, parts = trainer(), trainer(replace(SETTINGS, accumulate=4))
    assert losses(whole, tmp_path) == pytest.approx(losses(parts, tmp_path), rel=1e-5)
    # AdamW divides by the gradient's size: where that is nothing but rounding, its sign may turn.
    assert_same(replace(state(whole), optimizer={}), replace(state(parts), optimizer={}), atol=2e-3, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_blocks_that_run_again_change_nothing(tmp_path: Path, precision: str) -> None:
    settings = replace(SETTINGS, precision=precision)
    kept, again = trainer(settings), trainer(replace(settings, recompute=True))
    assert losses(kept, tmp_path) == losses(again, tmp_path)
    assert_same(state(kept), state(again))


def test_bf16_computes_in_bf16_and_keeps_what_it_learns_in_fp32(tmp_path: Path) -> None:
    found = trainer(replace(SETTINGS, precision="bf16"))
    coarse, fine = losses(found, tmp_path), losses(trainer(), tmp_path)
    assert coarse != fine
    assert coarse == pytest.approx(fine, rel=0.02)
    assert {parameter.dtype for parameter in found.network.parameters()} == {torch.bfloat16}
    assert {value.dtype for value in state(found).averages.values()} == {torch.float32}
    rounded = [torch.equal(value, value.bfloat16().float()) for value in found.masters.values()]
    assert not all(rounded)


def test_samples_are_drawn_from_the_averages(tmp_path: Path) -> None:
    found = trainer()
    losses(found, tmp_path)
    drawn, whole = found.averaged(), state(found)
    for states in (drawn.weights, drawn.averages):
        assert states.keys() == whole.averages.keys()
        assert all(torch.equal(value, whole.averages[name]) for name, value in states.items())


def test_gradients_are_clipped_to_the_norm(tmp_path: Path) -> None:
    """AdamW's first moment of the first step is a tenth of the gradient."""
    found = trainer(replace(SETTINGS, steps=1, clip=1e-3))
    (report,) = reports(found, tmp_path)
    moments = [value for name, value in state(found).optimizer.items() if name.startswith("exp_avg.")]
    assert report.gradient_norm > 0.01
    assert 10 * float(torch.stack([value.norm() for value in moments]).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_averages_follow_their_formula() -> None:
    averages, values = [torch.tensor([1.0, 2.0])], [torch.tensor([3.0, 0.0])]
    recipe.update_averages(averages, values, 0.9)
    torch.testing.assert_close(averages[0], torch.tensor([0.9 * 1 + 0.1 * 3, 0.9 * 2]))


def test_draws_are_of_seed_and_step_alone() -> None:
    def drawn(seed: int, *steps: int) -> torch.Tensor:
        draws = recipe.Draws((4, 1, 8, 8), seed=seed, device="cpu")
        for step in steps:
            draws.fill(step)
        return draws.noise.clone()

    assert torch.equal(drawn(0, 0, 1, 7), drawn(0, 7))
    assert not torch.equal(drawn(0, 7), drawn(0, 8))
    assert not torch.equal(drawn(0, 7), drawn(1, 7))


def test_timesteps_are_all_there_and_labels_are_dropped_at_their_share() -> None:
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
        seen.append((report.step, checkpoint.load(path).step if path.exists() else 0))

    list(trainer().run(path, report_every=1, save_every=1, show=show))
    assert seen == [(step, step - 1) for step in range(1, 7)]


class Broken(data.Digits):
    """Reads NaN from the 20th image on."""

    def load(self, pick: Pick) -> tuple[torch.Tensor, int]:
        image, label = super().load(pick)
        is_late = pick in {each._replace(flipped=pick.flipped) for each in picks(5000, 20, 28, seed=0)}
        return (image * float("nan") if is_late else image), label


def test_a_loss_that_is_not_finite_ends_the_run_and_spares_the_checkpoint(tmp_path: Path) -> None:
    found = trainer(source=Broken())
    with pytest.raises(ValueError, match=r"the loss is not finite at step 3: .*last\.safetensors is left as it was"):
        list(reports(found, tmp_path, save_every=2))
    kept = checkpoint.load(tmp_path / "last.safetensors", to_go_on=True)
    assert kept.step == 2
    assert all(value.isfinite().all() for value in kept.weights.values())


def test_a_step_that_breaks_the_parameters_is_not_saved(tmp_path: Path) -> None:
    """The loss is that of before the step, and may still be finite."""
    found = trainer(replace(SETTINGS, steps=1))
    next(iter(found.masters.values())).data[0] = float("inf")
    found._one = found._loss_after = lambda *_: torch.zeros(())  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"is not finite at step 1: .*left as it was"):
        list(reports(found, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_a_step_has_lost_do_not_replace_the_checkpoint(tmp_path: Path) -> None:
    """They are finite, and the first loss that is not is the next step's."""
    list(reports(trainer(replace(SETTINGS, steps=1)), tmp_path))
    before = (tmp_path / "last.safetensors").read_bytes()
    start = checkpoint.load(tmp_path / "last.safetensors", to_go_on=True)
    found = trainer(replace(SETTINGS, steps=2, learning_rate=1e30), start=start)
    with pytest.raises(ValueError, match=r"the loss is not finite at step 3: .*left as it was"):
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
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=None), path)
    with pytest.raises(ValueError, match=f"of another run: {message}; take another --out"):
        begun("DiG-test/8", DIGITS, replace(SETTINGS, **change), backend="chunked", path=path)


def test_a_checkpoint_of_another_model_or_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=None), path)
    with pytest.raises(ValueError, match="of another run: model is DiG-test/8 there, DiT-test/8 here"):
        begun("DiT-test/8", DIGITS, SETTINGS, backend="sdpa", path=path)
    with pytest.raises(ValueError, match="no optimiser's state to go on from"):
        begun("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="is no checkpoint of dig-bench, or a broken one: take another --out, or"):
        begun("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)


def test_an_optimisers_state_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    """It would begin anew for that parameter, and nobody would know."""
    path, name = tmp_path / "last.safetensors", "final_layer.linear.bias"
    list(trainer().run(path, report_every=6, save_every=6))
    whole = checkpoint.load(path, to_go_on=True)
    part = {key: value for key, value in whole.optimizer.items() if not key.endswith(name)}
    checkpoint.save(replace(whole, optimizer=part), path)
    with pytest.raises(ValueError, match=f"optimiser's exp_avg.{name} is missing; take another --out, or"):
        begun("DiG-test/8", DIGITS, SETTINGS, backend="chunked", path=path)


def test_more_steps_and_another_engine_are_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    list(trainer().run(path, report_every=6, save_every=6))
    more = replace(SETTINGS, steps=9, accumulate=2, recompute=True)
    start = begun("DiG-test/8", DIGITS, more, backend="chunked", path=path)
    assert len(losses(trainer(more, start=start), tmp_path)) == 3


def test_a_run_begins_with_another_ones_averages(tmp_path: Path) -> None:
    first = trainer()
    losses(first, tmp_path)
    initial = checkpoint.load(tmp_path / "last.safetensors")
    start = fresh("DiG-test/8", DIGITS, SETTINGS, backend="chunked", initial=initial)
    assert start.step == 0
    assert all(torch.equal(start.weights[name], value) for name, value in state(first).averages.items())
    assert start.run["initial"] == "DiG-test/8 digits step 6"
    with pytest.raises(ValueError, match="the parameters do not fit DiT"):
        fresh("DiT-test/8", DIGITS, SETTINGS, backend="sdpa", initial=initial)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 8 images is not shared evenly by 1 processes in 3 parts each"):
        trainer(replace(SETTINGS, accumulate=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is positive"),
        ({"batch_size": -1}, "batch_size is positive"),
        ({"batch_size": 10**20}, "no machine has the memory for a batch of 1000"),
        ({"learning_rate": float("nan")}, "learning_rate is positive"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"clip": 0.0}, "clipped to is positive"),
        ({"warmup": -1}, "warmup"),
        ({"seed": -1}, "a seed has 64 bits"),
        ({"seed": 2**64}, "a seed has 64 bits"),
        ({"precision": "fp8"}, "fp32, tf32, bf16, not 'fp8'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DiG-Q/4", "no model 'DiG-Q/4'"),
        ("DiG-N/4@flash9", "DiG-N/4 has no backend 'flash9'"),
        ("DiG-N/4@fused", "DiG-N/4@fused cannot be trained here: fused"),
    ],
)
def test_models_that_cannot_be_trained_are_named(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chosen(name, device="cpu", precision="fp32")


def test_models_of_latents_do_not_take_images() -> None:
    with pytest.raises(ValueError, match="DiG-S/2 is for latents, and digits has images: `dig-bench encode`"):
        fresh("DiG-S/2", DIGITS, SETTINGS, backend="chunked", initial=None)


def test_the_published_recipe_is_the_default() -> None:
    found = Settings()
    assert (found.batch_size, found.learning_rate, found.ema_decay, found.label_dropout) == (256, 1e-4, 0.9999, 0.1)
    assert (found.warmup, found.clip, found.flip) == (0, None, True)


@pytest.mark.parametrize(
    ("version", "policy", "message"),
    [(1, None, "FSDP is that of fsdp_version 2"), (2, lambda module: True, "fsdp_auto_wrap_policy is NO_WRAP")],
)
def test_other_ways_to_shard_are_refused(version: int, policy: Any, message: str) -> None:
    from accelerate.utils import DistributedType

    plugin = SimpleNamespace(auto_wrap_policy=policy)
    accelerator: Any = SimpleNamespace(
        distributed_type=DistributedType.FSDP, is_fsdp2=version == 2, state=SimpleNamespace(fsdp_plugin=plugin)
    )
    with pytest.raises(ValueError, match=message):
        placement.prepare(accelerator, PLANTED["DiT-test/8"].architecture(PLANTED["DiT-test/8"].config, backend="sdpa"))
