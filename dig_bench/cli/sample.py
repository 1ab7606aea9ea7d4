"""`dig-bench sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cell import PRECISIONS
from dig_bench.cli.app import DeviceOption, app, bar, console, needs
from dig_bench.cli.folders import check_folder, make_folder
from dig_bench.cli.option_groups import with_option_groups
from dig_bench.cli.sample_options import ImageOptions, PublishedOptions

if TYPE_CHECKING:
    from dig_bench.train.checkpoint import Checkpoint

GRID_IMAGES = 100
IMAGES, GRID = "images.npz", "grid.png"


@app.command()
@with_option_groups
def sample(
    *,
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="file from `dig-bench train`, or a published one")
    ],
    images: ImageOptions,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help=f"folder of {IMAGES} and {GRID}")] = Path("images"),
    published: PublishedOptions,
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
    from dig_bench.plan.parse import parse_choice
    from dig_bench.run.precision import tf32
    from dig_bench.sample.images import save_grid, save_npz
    from dig_bench.sample.run import Request, sample
    from dig_models.samplers import Sampling

    precision = parse_choice(images.precision, PRECISIONS, "--precision")
    chosen_device = devices.choose(device)
    devices.require(chosen_device)
    check_folder(out)
    loaded = _load(checkpoint, published)
    request = Request(
        labels=images.labels(loaded.num_classes),
        sampling=Sampling(
            sampler=images.sampler, steps=images.steps, guidance=images.guidance, clip=not loaded.is_of_latents
        ),
        seed=images.seed,
        batch_size=images.batch,
        backend=images.backend,
        precision=precision,
        averaged=images.ema,
        vae=images.vae,
    )
    less = "a smaller --batch and --precision bf16 need less of it"
    with tf32(precision == "tf32"), memory.enough(less), bar(console()) as progress:
        task = progress.add_task("sampling", total=None)
        found = sample(loaded, request, device=chosen_device, after_step=lambda: progress.advance(task))
    if found is None:
        return
    make_folder(out)
    save_npz(out / IMAGES, found.images, request.labels)
    save_grid(out / GRID, found.images[:GRID_IMAGES])
    milliseconds = 1e3 / found.images_per_s
    print(f"{images.count} images, {found.images_per_s:.3g} images/s, {milliseconds:.4g} ms per image")
    print(out / IMAGES, out / GRID, sep="\n")


def _load(path: Path, published: PublishedOptions) -> Checkpoint:
    from dig_bench.train import checkpoint_file

    if checkpoint_file.is_ours(path) and published != PublishedOptions():
        raise ValueError(f"{path} names its model and resolution itself: remove --model and --res")
    if published.model is None:
        return checkpoint_file.load(path)
    return checkpoint_file.published(path, model=published.model, image_size=published.res or 256)
