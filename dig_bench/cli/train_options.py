"""Options of `dig-bench train`, in groups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from dig_bench.cli import complete

MAX_GRID = 1000

data = partial(typer.Option, rich_help_panel="Data")
recipe = partial(typer.Option, rich_help_panel="Recipe (defaults: DiT's and DiG's; for the digits, a short one)")
engine = partial(typer.Option, rich_help_panel="How to compute")
output = partial(typer.Option, rich_help_panel="Output")


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Images or latents to train on, and weights to start from."""

    path: Annotated[
        Path | None,
        data("--data", metavar="FOLDER", help="latents from `dig-bench encode`, or images by class; default: digits"),
    ] = None
    res: Annotated[int | None, data(metavar="PX", min=1, help="size to crop images to")] = None
    init: Annotated[
        Path | None,
        recipe(metavar="FILE", help="start from these weights, of dig-bench or published"),
    ] = None
    workers: Annotated[int, data(metavar="N", min=0, help="threads that read images ahead")] = 4


@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """Fields of `dig_bench.train.settings.Settings`. None stands for the recipe's value."""

    steps: Annotated[int | None, recipe(metavar="N", help="training steps: 400,000; digits: 1,400")] = None
    batch_size: Annotated[
        int | None, recipe("--batch", metavar="N", help="images per training step, over all GPUs: 256; digits: 16")
    ] = None
    learning_rate: Annotated[float | None, recipe(metavar="RATE", help="AdamW's, constant: 1e-4; digits: 3e-3")] = None
    warmup: Annotated[int | None, recipe(metavar="N", help="steps of a linear warm-up: 0; digits: 70")] = None
    ema_decay: Annotated[
        float | None, recipe(metavar="DECAY", help="decay of the averaged weights: 0.9999; digits: 0.99")
    ] = None
    label_dropout: Annotated[
        float | None, recipe(metavar="SHARE", help="labels dropped for classifier-free guidance: 0.1")
    ] = None
    clip: Annotated[float | None, recipe(metavar="NORM", help="clip gradients to this norm")] = None
    flip: Annotated[bool, recipe(help="mirror half of the images; digits are never mirrored")] = True
    seed: Annotated[int, recipe(metavar="N", help="seed of weights, order, noise, timesteps and dropped labels")] = 0
    precision: Annotated[str, engine(metavar="NAME", autocompletion=complete.precisions, help="fp32, tf32, bf16")] = (
        "fp32"
    )
    accumulate: Annotated[int, engine(metavar="N", help="compute a batch in N parts, to save memory")] = 1
    recompute: Annotated[
        bool, engine("--checkpointing", help="recompute activations in the backward pass, to save memory")
    ] = False
    compile: Annotated[bool, engine("--compile", help="use torch.compile")] = False

    def given(self) -> dict[str, Any]:
        """Returns the values that replace the recipe's."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Checkpoints, reports and image grids."""

    out: Annotated[
        Path | None, output(metavar="FOLDER", help="default: runs/MODEL-DATA; a run in the folder resumes")
    ] = None
    save_every: Annotated[int, output(metavar="N", min=1, help="steps between checkpoints")] = 500
    report_every: Annotated[int, output(metavar="N", min=1, help="steps between reports of the loss")] = 10
    grid: Annotated[
        int, output(metavar="N", min=0, max=MAX_GRID, help="images to generate at each checkpoint; 0 for none")
    ] = 40
    vae: Annotated[Path | None, output(metavar="FOLDER", help="local AutoencoderKL, to decode grids of latents")] = None
