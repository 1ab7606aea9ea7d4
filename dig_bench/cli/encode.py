"""`dig-bench encode`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dig_bench.cli import complete
from dig_bench.cli.app import DeviceOption, app, bar, console, needs
from dig_bench.cli.folders import alone_in, check_utf8
from dig_bench.cli.option_groups import with_option_groups


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """Size of images and shards, and how to compute."""

    res: Annotated[int, typer.Option(metavar="PX", min=1, help="size to crop images to")] = 256
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="images to encode at a time")] = 32
    shard: Annotated[int, typer.Option(metavar="N", min=1, help="images per shard")] = 1024
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="threads that read images ahead")] = 4
    precision: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=complete.precisions, help="fp32, tf32, bf16, fp16")
    ] = "fp32"
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="seed of the draws from the VAE's posterior")] = 0


@app.command()
@with_option_groups
def encode(
    *,
    images: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of images by class: FOLDER/CLASS/image.png")],
    vae: Annotated[Path, typer.Option(metavar="FOLDER", help="local AutoencoderKL, as diffusers saves it")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="folder of the shards; existing shards are kept")],
    options: EncodeOptions,
    device: DeviceOption = "auto",
) -> None:
    """Encode a folder of images as latents for `dig-bench train`: each image, and its mirror image.

    Run the same command again to resume an interrupted run.

    \b
    dig-bench encode imagenet/train --vae sd-vae-ft-ema --out latents/
    torchrun --nproc-per-node 8 -m dig_bench encode ...        divides the shards among GPUs
    """
    needs("accelerate", "diffusers", "safetensors", what="encoding")
    from accelerate import PartialState

    from dig_bench.cell import PRECISIONS
    from dig_bench.machine import devices
    from dig_bench.measure import memory
    from dig_bench.plan.parse import parse_choice
    from dig_bench.run.precision import tf32
    from dig_bench.train import vae as vaes
    from dig_bench.train.data import ImageFolder
    from dig_bench.train.encode import described, prepare, write_shards

    precision = parse_choice(options.precision, PRECISIONS, "--precision")
    chosen = devices.choose(device)
    devices.require(chosen)
    check_utf8(out)
    source = ImageFolder(images, image_size=options.res)
    state = PartialState(cpu=chosen == "cpu")
    loaded = vaes.load(vae, device=str(state.device), precision=precision)
    about = described(source, loaded, shard_size=options.shard, seed=options.seed)
    less = "a smaller --batch and --precision bf16 need less of it"
    with alone_in(out, state), tf32(precision == "tf32"), memory.enough(less), bar(console()) as progress:
        with state.main_process_first():
            prepare(out, about)
        mine = range(state.process_index, about.num_shards, state.num_processes)
        task = progress.add_task("encoding", total=sum(len(about.span(number)) for number in mine))
        written = write_shards(mine, source, loaded, about, out, batch_size=options.batch, workers=options.workers)
        for count in written:
            progress.advance(task, count)
    if state.is_main_process:
        print(f"{about.num_images} images of {len(about.classes)} classes in {out}")
