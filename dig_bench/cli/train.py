"""`dig-bench train`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dig_bench.cli.app import DeviceOption, alone_in, app, check_utf8, console, needs

if TYPE_CHECKING:
    from dig_bench.sample.images import Images
    from dig_bench.train.checkpoint import Checkpoint
    from dig_bench.train.data import Source

MODEL = "DiG-N/4"
LAST, GRID = "last.safetensors", "samples.png"
GRID_STEPS = 20
MOST_DRAWN = 1000

data = partial(typer.Option, rich_help_panel="Data")
recipe = partial(typer.Option, rich_help_panel="Recipe; else DiT's and DiG's, and for the digits a short one")
engine = partial(typer.Option, rich_help_panel="How it is computed")
kept = partial(typer.Option, rich_help_panel="What is kept")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="DiG-S/2@fused, for latents; DiG-N/4, DiT-T/2 ... for pixels")] = MODEL,
    path: Annotated[
        Path | None,
        data("--data", metavar="FOLDER", help="latents by `dig-bench encode`, or images by class; else the digits"),
    ] = None,
    res: Annotated[int | None, data(metavar="PX", min=1, help="to which images are cropped")] = None,
    flip: Annotated[bool, data(help="mirror half of the images; never the digits")] = True,
    workers: Annotated[int, data(metavar="N", min=0, help="threads that read images ahead")] = 4,
    steps: Annotated[int | None, recipe(metavar="N", help="400,000; of the digits 1,400")] = None,
    batch: Annotated[int | None, recipe(metavar="N", help="images a step, of all GPUs: 256; 16")] = None,
    learning_rate: Annotated[float | None, recipe(metavar="RATE", help="of AdamW, constant: 1e-4; 3e-3")] = None,
    warmup: Annotated[int | None, recipe(metavar="N", help="steps of a linear warm-up: 0; 70")] = None,
    ema: Annotated[float | None, recipe(metavar="SHARE", help="decay of the averaged weights: 0.9999; 0.99")] = None,
    label_dropout: Annotated[float | None, recipe(metavar="SHARE", help="0.1, for guidance")] = None,
    clip: Annotated[float | None, recipe(metavar="NORM", help="of gradients; else they are not clipped")] = None,
    seed: Annotated[int, recipe(help="of parameters, order, noise, timesteps, dropped labels")] = 0,
    init: Annotated[
        Path | None, recipe(metavar="FILE", help="begin with these parameters: of this project, or published")
    ] = None,
    precision: Annotated[str, engine(help="fp32, tf32, bf16")] = "fp32",
    accumulate: Annotated[int, engine(metavar="N", help="parts that a batch is computed in")] = 1,
    checkpointing: Annotated[bool, engine("--checkpointing", help="recompute activations: less memory")] = False,
    compile: Annotated[bool, engine("--compile", help="by torch.compile")] = False,
    device: DeviceOption = "auto",
    out: Annotated[Path | None, kept(metavar="FOLDER", help="else runs/MODEL-DATA; a run there goes on")] = None,
    save_every: Annotated[int, kept(metavar="N", min=1, help="steps between checkpoints")] = 500,
    report_every: Annotated[int, kept(metavar="N", min=1, help="steps between looks at the loss")] = 10,
    grid: Annotated[
        int, kept(metavar="N", min=0, max=MOST_DRAWN, help="images drawn at each checkpoint; 0 for none")
    ] = 40,
    vae: Annotated[Path | None, kept(metavar="FOLDER", help="a local AutoencoderKL, for grids of latents")] = None,
) -> None:
    """Train a backbone as DiT and DiG were: DDPM, hybrid loss, AdamW, averaged weights. A killed run goes on.

    \b
    dig-bench train                                         a nano DiG on the embedded digits, on a laptop
    dig-bench encode photos/ --vae sd-vae-ft-ema --out latents/
    accelerate launch -m dig_bench train DiG-S/2 --data latents/ --precision bf16
    torchrun --nproc-per-node 8 -m dig_bench train DiT-XL/2 --data latents/ --init DiT-XL-2-256x256.pt
    """
    needs("accelerate", "safetensors", "tensorboard", "diffusers", what="training")
    from accelerate import PartialState

    from dig_bench.machine import devices
    from dig_bench.measure import memory
    from dig_bench.run.precision import tf32
    from dig_bench.sample.images import save_grid, sheet
    from dig_bench.train import data
    from dig_bench.train.loop import Trainer
    from dig_bench.train.settings import AS_PUBLISHED, OF_DIGITS
    from dig_bench.train.start import begun, chosen
    from dig_bench.train.watch import watching

    chosen_device = devices.choose(device)
    devices.require(chosen_device)
    given: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch,
        "learning_rate": learning_rate,
        "warmup": warmup,
        "ema_decay": ema,
        "label_dropout": label_dropout,
        "clip": clip,
        "flip": flip,
        "seed": seed,
        "precision": precision,
        "accumulate": accumulate,
        "recompute": checkpointing,
        "compile": compile,
    }
    defaults = OF_DIGITS if path is None else AS_PUBLISHED
    settings = replace(defaults, **{name: value for name, value in given.items() if value is not None})
    name, backend = chosen(model, device=chosen_device, precision=precision)
    source = data.find(path, image_size=res)
    out = out or Path("runs") / f"{name.replace('/', '-')}-{source.name}"
    check_utf8(out)
    last = out / LAST
    state = PartialState(cpu=chosen_device == "cpu")
    less = "a smaller --batch, --accumulate N, --checkpointing and --precision bf16 need less of it"
    with alone_in(out, state), tf32(precision == "tf32"), memory.enough(less):
        initial = _initial(init, name, source)
        start = begun(name, source, settings, backend=backend, path=last, initial=initial)
        saved, total = start.step, settings.steps
        can_draw = grid > 0 and (vae is not None or not start.is_of_latents)
        lacks_grid = can_draw and saved > 0 and not _is_newer(out / GRID, last)
        if saved >= total and not lacks_grid:
            if state.is_main_process:
                print(f"{last} has {saved} steps already: --steps says how many there shall be")
            return
        _check_vae(vae, start)
        trainer = Trainer(start, source, settings, backend=backend, device=chosen_device, workers=workers)
        # The trainer has copies: a file that is mapped would stay on the disk beside those that replace it.
        del start, initial
        try:
            with watching(console(), out / "tensorboard", step=saved, steps=total, is_main=trainer.is_main) as watch:

                def draw() -> None:
                    drawn = _draw(trainer.averaged(), grid, vae, backend, chosen_device, precision)
                    if watch and drawn is not None:
                        watch.show_images(sheet(drawn), saved)
                        save_grid(out / GRID, drawn)

                if lacks_grid:
                    draw()
                how = {"show": watch.show} if watch else {}
                for report in trainer.run(last, report_every=report_every, save_every=save_every, **how):
                    saved = report.step if report.saved else saved
                    if report.saved and can_draw:
                        draw()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{last} has step {saved}; the same command goes on" if saved else "") from None
    if state.is_main_process:
        print(last)


def _is_newer(path: Path, other: Path) -> bool:
    """False where it is not there."""
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns


def _initial(path: Path | None, model: str, source: Source) -> Checkpoint | None:
    """One of this project's checkpoints says what it is; any other one is taken for a published one of the model."""
    from dig_bench.train import checkpoint

    if path is None:
        return None
    if checkpoint.is_ours(path):
        return checkpoint.load(path)
    return checkpoint.published(
        path,
        model=model,
        image_size=source.image_size,
        num_classes=source.num_classes,
        channels=source.shape[0],
    )


def _check_vae(path: Path | None, start: Checkpoint) -> None:
    """ValueError now, and not at the first grid."""
    from dig_bench.train import vae

    if path is None:
        return
    if not start.is_of_latents:
        raise ValueError(f"{start.model} draws pixels, and has no use for a VAE")
    vae.load(path, device="cpu")


def _draw(found: Checkpoint, count: int, vae: Path | None, backend: str, device: str, precision: str) -> Images | None:
    """By the averaged weights, as many of each class; all processes share them, and the first one gets them. In the
    precision of the training: its backend may take no other."""
    from dig_bench.sample.run import Request, sample
    from dig_models.samplers import Sampling

    sampling = Sampling(sampler="ddim", steps=GRID_STEPS, clip=not found.is_of_latents)
    labels = [number % found.num_classes for number in range(count)]
    request = Request(labels=labels, sampling=sampling, backend=backend, precision=precision, vae=vae)
    drawn = sample(found, request, device=device)
    return drawn.images if drawn else None
