"""Presets: sweeps with a name. Each is a list of axis products by device type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from dig_bench.plan.axes import Axes
from dig_bench.plan.parse import parse_resolutions
from dig_bench.plan.suggest import suggest


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Axes by device type, and the fields of Protocol that differ from their defaults."""

    summary: str
    axes: Mapping[str, tuple[Axes, ...]]
    protocol: Mapping[str, Any] = field(default_factory=dict)


def _at_patch_2(families: str, sizes: str) -> tuple[str, ...]:
    """Turns `DiG@fla DiT@math`, `S B` into DiG-S/2@fla, DiG-B/2@fla, DiT-S/2@math, DiT-B/2@math."""
    named = (family.partition("@") for family in families.split())
    return tuple(f"{name}-{size}/2{at}{backend}" for (name, at, backend), size in product(named, sizes.split()))


COMPILED_BACKENDS = ("fla", "flash2", "cudnn", "mamba-ssm")
"""Baselines that presets for GPUs also measure through torch.compile, which joins their elementwise operations."""


def _graphs(models: Iterable[str], resolutions_px: tuple[int, ...], **axes: Any) -> tuple[Axes, ...]:
    """Returns axes for CUDA graphs of all models, and for compiled CUDA graphs of the baselines among them."""
    models = tuple(models)
    compiled = tuple(name for name in models if name.partition("@")[2] in COMPILED_BACKENDS)
    base = Axes(models=models, resolutions_px=resolutions_px, precisions=("bf16",), executions=("graph",))
    graphs = replace(base, **axes)
    return (graphs, replace(graphs, models=compiled, executions=("compile-graph",))) if compiled else (graphs,)


FOUR_FAMILIES = _at_patch_2("DiG DiT DiS U-DiG", "S")
EVERY_BACKEND = (*_at_patch_2("DiG@* DiT@* DiS@* U-DiG@*", "S"), "DiG-S/2-skip")
TEASER = _at_patch_2(
    "DiG@fla DiG@fused DiT@math DiT@flash2 DiT@cudnn DiT@fused DiS@mamba-ssm U-DiG@fla U-DiG@fused", "S"
)
FORWARD_ONLY = _at_patch_2("DiT@flash3 DiT@fused-flash3", "S")
COMPILED_AT_PX = (256, 512, 1024, 2048)
"""Resolutions at which `paper-resolution` compiles: each one takes up to a minute to compile."""
TEASER_IN_FP32 = _at_patch_2("DiG@fla DiG@fused DiT@math DiS@mamba-ssm", "S")
"""Models of the paper's memory figure, which is fp32 training; flash2 and cudnn take half precision only."""

PAPER_PROTOCOL: dict[str, Any] = {"warmup_seconds": 5.0, "max_seconds": 3.0}
"""Shorter than the defaults: a preset has hundreds of cells."""

PRESETS: dict[str, Preset] = {
    "demo": Preset(
        summary="all four families at 256 and 512 px, minutes on two CPU cores",
        axes={
            "cpu": (Axes(models=FOUR_FAMILIES, resolutions_px=(256, 512)),),
            "cuda": (Axes(models=FOUR_FAMILIES, resolutions_px=(256, 512), precisions=("bf16",)),),
        },
        protocol={
            "min_samples": 6,
            "max_samples": 30,
            "max_seconds": 5.0,
            "warmup_min_seconds": 0.3,
            "warmup_seconds": 1.0,
        },
    ),
    "quick": Preset(
        summary="the S/2 models at 256, 512 and 1024 px",
        axes={
            "cpu": (Axes(models=FOUR_FAMILIES, resolutions_px=(256, 512, 1024)),),
            "cuda": (
                Axes(
                    models=FOUR_FAMILIES,
                    resolutions_px=(256, 512, 1024),
                    precisions=("bf16",),
                    executions=("eager", "graph", "compile-graph"),
                ),
            ),
        },
    ),
    "paper-resolution": Preset(
        summary="the paper's teaser figure: S/2 models, 256 to 2048 px, forward and training",
        axes={
            "cuda": (
                Axes(
                    models=TEASER + FORWARD_ONLY,
                    resolutions_px=parse_resolutions("256..2048"),
                    precisions=("bf16",),
                    executions=("eager", "graph"),
                ),
                Axes(
                    models=TEASER,
                    resolutions_px=parse_resolutions("256..2048"),
                    modes=("train",),
                    precisions=("bf16",),
                    executions=("graph",),
                ),
                # The graphs are those of above: a sweep holds each cell once.
                *_graphs(TEASER, COMPILED_AT_PX, modes=("forward", "train")),
                # The paper's memory figure is training in fp32 at batch 1.
                Axes(
                    models=TEASER_IN_FP32,
                    resolutions_px=parse_resolutions("256..2048"),
                    modes=("train",),
                    precisions=("tf32",),
                    executions=("graph",),
                ),
            ),
        },
        protocol=PAPER_PROTOCOL,
    ),
    "paper-size": Preset(
        summary="the paper's model-size figure: S to XL at 1024 and 2048 px",
        axes={
            "cuda": (
                *_graphs(
                    _at_patch_2(
                        "DiG@fla DiG@fused DiT@math DiT@flash2 DiT@cudnn DiT@flash3 DiT@fused DiT@fused-flash3 "
                        "DiS@mamba-ssm",
                        "S B L XL",
                    ),
                    (1024, 2048),
                ),
            ),
        },
        protocol=PAPER_PROTOCOL,
    ),
    "fused": Preset(
        summary="the fused kernels beside the others: large and small models, batches, training, eager",
        axes={
            "cuda": (
                *_graphs(
                    _at_patch_2("DiG@fla DiG@fused DiT@flash2 DiT@cudnn DiT@fused DiT@fused-flash3", "XL"),
                    (1024, 2048),
                ),
                *_graphs(_at_patch_2("DiG@fla DiG@fused DiT@cudnn DiT@fused", "XL"), (1024,), modes=("train",)),
                *_graphs(_at_patch_2("DiG@fla DiG@fused DiT@math DiT@cudnn DiT@fused", "S"), (1792,), modes=("train",)),
                *_graphs(
                    _at_patch_2("DiG@fla DiG@fused DiT@flash2 DiT@cudnn DiT@fused DiT@fused-flash3", "S"),
                    (256,),
                    batch_sizes=(64,),
                ),
                *_graphs(_at_patch_2("DiG@fused DiT@fused DiT@fused-flash3", "S"), parse_resolutions("256..2048")),
                *_graphs(
                    _at_patch_2("DiG@fused DiT@fused DiT@fused-flash3", "S"), (512, 1024, 2048), batch_sizes=(64,)
                ),
                Axes(
                    models=_at_patch_2("DiG@fla DiG@fused DiT@flash2 DiT@cudnn DiT@fused DiT@fused-flash3", "S"),
                    resolutions_px=(256,),
                    precisions=("bf16",),
                ),
            ),
        },
        protocol=PAPER_PROTOCOL,
    ),
    "backends": Preset(
        summary="every backend of the S/2 models at 256 px, including the references",
        axes={
            "cpu": (Axes(models=EVERY_BACKEND, resolutions_px=(256,)),),
            "cuda": (Axes(models=EVERY_BACKEND, resolutions_px=(256,), precisions=("bf16",)),),
        },
        protocol=PAPER_PROTOCOL,
    ),
}


def default_preset(device: str) -> str:
    """Returns the preset of a sweep without options."""
    return "quick" if device == "cuda" else "demo"


def get_preset(name: str, device: str) -> Preset:
    """Returns a preset. Raises ValueError for an unknown name, and for a preset without axes for the device type."""
    if name not in PRESETS:
        raise ValueError(f"no preset {suggest(name, PRESETS)}")
    if device not in PRESETS[name].axes:
        (only,) = PRESETS[name].axes
        raise ValueError(
            f"the preset {name} is for {only}, not {device}: take --preset {default_preset(device)}, "
            f"or see what it would measure with --device {only} --plan"
        )
    return PRESETS[name]
