"""What is measured, and how: the options of every command that measures, and the sweep that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dig_bench.cell import PRECISIONS

if TYPE_CHECKING:
    from dig_bench.plan.sweep import Sweep

what = partial(typer.Option, rich_help_panel="What is measured")
how = partial(typer.Option, rich_help_panel="How it is measured")

ResOption = Annotated[
    str | None, what(metavar="LIST", help="256,1024 or 256..2048 (every 256), 256..2048:512, 256..2048:x2")
]
ModelsOption = Annotated[
    list[str] | None,
    what(
        metavar="LIST", help="DiG-S/2, DiT-S/2@flash2, 'DiG-*/2', '*@fla', 'DiT-S/2@*'; without @ what suits the device"
    ),
]
BatchOption = Annotated[str | None, what(metavar="LIST", help="batch sizes: 1,8,64")]
ModeOption = Annotated[
    str | None, what(metavar="LIST", help="forward, train, sample: one pass, one step, whole images")
]
PrecisionOption = Annotated[str | None, what(metavar="LIST", help="fp32, tf32, bf16, fp16")]
ExecutionOption = Annotated[str | None, what(metavar="LIST", help="eager, graph, compile")]
PresetOption = Annotated[
    str | None,
    what(
        metavar="NAME",
        help="demo, quick, paper-resolution, paper-size, fused, backends; the options above change its axes",
    ),
]
OnlyOption = Annotated[
    str | None, what(metavar="EXPR", help="'model=DiG-* and resolution_px<=1024 and precision=bf16'")
]

TimeoutOption = Annotated[float | None, how(metavar="S", help="give a cell up after so many seconds")]
WarmupOption = Annotated[float | None, how(metavar="S", help="warm up no longer than this")]
TargetOption = Annotated[
    float | None, how(metavar="SHARE", help="stop when the 95 % interval of the median is +- this share of it")
]
MinSamplesOption = Annotated[int | None, how(metavar="N", help="time so many calls whatever they cost")]
MaxSamplesOption = Annotated[int | None, how(metavar="N", help="time no more calls than this")]
MaxSecondsOption = Annotated[float | None, how(metavar="S", help="time calls no longer than this")]
CheckToleranceOption = Annotated[
    float | None,
    how(metavar="ERROR", help="relative error against the reference that is let pass, at any precision"),
]
SamplerOption = Annotated[str | None, how(metavar="NAME", help="of mode sample: ddpm, ddim, dpm++")]
SamplerStepsOption = Annotated[int | None, how(metavar="N", help="steps of the sampler, else 250")]
GuidanceOption = Annotated[float | None, how(metavar="SCALE", help="classifier-free guidance, else 4; 1 is none")]
VaeOption = Annotated[
    bool | None, how("--vae/--no-vae", help="decode what is sampled, and time it: a VAE of Stable Diffusion's sizes")
]


def wanted_sweep(
    *,
    res: str | None,
    models: Sequence[str] | None,
    batch: str | None,
    mode: str | None,
    precision: str | None,
    execution: str | None,
    processes: int = 1,
    preset: str | None,
    only: str | None,
    plugin: Sequence[str] | None,
    device: str,
    timeout: float | None,
    warmup_seconds: float | None,
    target_ci: float | None,
    min_samples: int | None,
    max_samples: int | None,
    max_seconds: float | None,
    check_tolerance: float | None,
    sampler: str | None = None,
    sampler_steps: int | None = None,
    guidance: float | None = None,
    vae: bool | None = None,
) -> Sweep:
    """ValueError, in one line, for whatever cannot be measured as it is written."""
    from dig_bench.machine import devices
    from dig_bench.plan import plugins
    from dig_bench.plan.options import parse_axes
    from dig_bench.plan.sweep import make
    from dig_models.samplers import Sampling

    plugins.load(plugin or ())
    sweep = make(
        device=devices.choose(device),
        preset=preset,
        axes=parse_axes(models=models, res=res, batch=batch, mode=mode, precision=precision, execution=execution),
        only=only,
        processes=processes,
        protocol={
            "timeout_s": timeout,
            "warmup_seconds": warmup_seconds,
            "target_half_width": target_ci,
            "min_samples": min_samples,
            "max_samples": max_samples,
            "max_seconds": max_seconds,
            **{f"tolerance_{each}": check_tolerance for each in PRECISIONS},
            "sampler": sampler,
            "sampler_steps": sampler_steps,
            "guidance": guidance,
            "vae": vae,
        },
        plugins=plugin or (),
    )
    # It refuses what the protocol alone cannot know.
    Sampling(sampler=sweep.protocol.sampler, steps=sweep.protocol.sampler_steps, guidance=sweep.protocol.guidance)
    return sweep
