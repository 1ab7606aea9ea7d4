"""`dig-bench sample`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cell import PRECISIONS
from dig_bench.cli import complete
from dig_bench.cli.app import DeviceOption, app, bar, console, needs
from dig_bench.cli.folders import check_folder, make_folder

if TYPE_CHECKING:
    from dig_bench.train.checkpoint import Checkpoint

GRID_IMAGES = 100
MAX_IMAGES = 1_000_000
"""Limit, since all images stay in memory until they are written."""
IMAGES, GRID = "images.npz", "grid.png"

images = partial(typer.Option, rich_help_panel="Images")
published = partial(typer.Option, rich_help_panel="Published checkpoints, which do not name their model")


@app.command()
def sample(
    checkpoint: Annotated[Path, typer.Argument(help="file from `dig-bench train`, or a published one")],
    count: Annotated[int, images("--images", metavar="N", min=1, max=MAX_IMAGES, help="number of images")] = 100,
    classes: Annotated[str | None, images(metavar="LIST", help="0,7,207 in turn; default: all classes")] = None,
    sampler: Annotated[
        str, images(metavar="NAME", autocompletion=complete.samplers, help="ddpm, ddim or dpm++")
    ] = "ddpm",
    steps: Annotated[int, images("--sampler-steps", metavar="N", help="sampler steps")] = 250,
    guidance: Annotated[float, images(metavar="SCALE", help="classifier-free guidance; 1 disables it")] = 1.0,
    seed: Annotated[int, images(min=0, help="image i of a seed is the same in any batch, on any number of GPUs")] = 0,
    ema: Annotated[bool, images(help="use the averaged weights, or the last ones")] = True,
    batch: Annotated[int, images(metavar="N", min=1, help="images to generate at a time, on each GPU")] = 64,
    backend: Annotated[str | None, images(metavar="NAME", help="default: the one that suits the device")] = None,
    precision: Annotated[str, images(autocompletion=complete.precisions, help="fp32, tf32, bf16, fp16")] = "fp32",
    vae: Annotated[Path | None, images(metavar="FOLDER", help="local AutoencoderKL, for models of latents")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help=f"folder of {IMAGES} and {GRID}")] = Path("images"),
    model: Annotated[str | None, published(metavar="NAME", autocompletion=complete.models, help="DiT-XL/2")] = None,
    res: Annotated[int | None, published(metavar="PX", min=1, help="size of its images; default: 256")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Generate images from a checkpoint: a grid, and an .npz for `dig-bench fid` and ADM's evaluator.

    \b
    dig-bench sample runs/DiG-N-4-digits/last.safetensors --images 2000
    dig-bench sample DiT-XL-2-256x256.pt --model DiT-XL/2 --vae sd-vae-ft-ema --classes 207,360 --guidance 4
    accelerate launch -m dig_bench sample ...        divides the images among GPUs
    """
    needs("diffusers", "safetensors", what="sampling")
    from dig_bench.machine import devices
    from dig_bench.measure import memory
    from dig_bench.plan.options import parse_choice
    from dig_bench.run.precision import tf32
    from dig_bench.sample.images import save_grid, save_npz
    from dig_bench.sample.run import Request, sample
    from dig_models.samplers import Sampling

    precision = parse_choice(precision, PRECISIONS, "--precision")
    chosen_device = devices.choose(device)
    devices.require(chosen_device)
    check_folder(out)
    loaded = _load(checkpoint, model, res)
    sampling = Sampling(sampler=sampler, steps=steps, guidance=guidance, clip=not loaded.is_of_latents)
    kinds = _classes(classes, loaded.num_classes)
    labels = [kinds[number % len(kinds)] for number in range(count)]
    request = Request(
        labels=labels,
        sampling=sampling,
        seed=seed,
        batch_size=batch,
        backend=backend,
        precision=precision,
        averaged=ema,
        vae=vae,
    )
    less = "a smaller --batch and --precision bf16 need less of it"
    with tf32(precision == "tf32"), memory.enough(less), bar(console()) as progress:
        task = progress.add_task("sampling", total=None)
        found = sample(loaded, request, device=chosen_device, after_step=lambda: progress.advance(task))
    if found is None:
        return
    make_folder(out)
    save_npz(out / IMAGES, found.images, labels)
    save_grid(out / GRID, found.images[:GRID_IMAGES])
    milliseconds = 1e3 / found.images_per_s
    print(f"{count} images, {found.images_per_s:.3g} images/s, {milliseconds:.4g} ms per image")
    print(out / IMAGES, out / GRID, sep="\n")


def _load(path: Path, model: str | None, res: int | None) -> Checkpoint:
    from dig_bench.train import checkpoint_file

    if checkpoint_file.is_ours(path) and (model is not None or res is not None):
        raise ValueError(f"{path} names its model and resolution itself: remove --model and --res")
    if model is None:
        return checkpoint_file.load(path)
    return checkpoint_file.published(path, model=model, image_size=res or 256)


def _classes(text: str | None, num_classes: int) -> list[int]:
    """Parses `0,7,207`; returns all classes without a text. Raises ValueError for unknown classes."""
    if text is None:
        return list(range(num_classes))
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal() or int(part) >= num_classes:
            raise ValueError(f"--classes takes numbers from 0 to {num_classes - 1}, not {part!r}")
    return [int(part) for part in parts]
