"""A small history of PyTorch's CUDA allocator, in the format of `torch.cuda.memory._snapshot()`."""

from __future__ import annotations

from typing import Any

from dig_bench.profile.allocations import RELEASE, Range
from dig_bench.profile.memory_profile import STATE, WEIGHTS, Known, Owner
from dig_bench.profile.ranges import PART, SCOPE

KIB = 1024
WEIGHT, MOMENT, LATENT = 0x1000, 0x2000, 0x3000
"""Addresses of what lies there before the step: 4, 8 and 2 KiB."""

WORKSPACE, SCRATCH, ACTIVATION, GRADIENT, PASSING = 0xA000, 0xB000, 0xC000, 0xD000, 0xE000

HERE = "/anywhere/models/dig_models/layers/mlp.py"
KERNEL = "/anywhere/models/dig_models/kernels/swiglu_mlp/fused.py"
TORCH = "/somewhere/site-packages/torch/nn/functional.py"


def entry(action: str, address: int, size: int, time_us: int, *frames: tuple[str, int]) -> dict[str, Any]:
    return {
        "action": action,
        "addr": address,
        "size": size,
        "stream": 0,
        "time_us": time_us,
        "frames": [{"filename": name, "line": line, "name": "f"} for name, line in frames],
    }


def training() -> dict[str, Any]:
    """Forward: a library's workspace, an operation's scratch, an activation. Backward: what it passes on, a gradient.

    Events that count: 0 to 8 are the step's, 9 gives the workspace back.
    """
    history = [
        entry("segment_alloc", 0xA000, 2 * KIB * KIB, 1_000_000),
        entry("alloc", WORKSPACE, 1 * KIB, 1_000_001, (TORCH, 5), (HERE, 10)),
        entry("alloc", SCRATCH, 3 * KIB, 1_000_002, (KERNEL, 20), (HERE, 11)),
        entry("alloc", ACTIVATION, 16 * KIB - 100, 1_000_003, (KERNEL, 21), (HERE, 11)),
        entry("free_requested", SCRATCH, 3 * KIB, 1_000_004),
        entry("free_completed", SCRATCH, 3 * KIB, 1_000_004),
        entry("alloc", PASSING, 2 * KIB, 1_000_010, (KERNEL, 30)),
        entry("alloc", GRADIENT, 4 * KIB, 1_000_011),
        entry("free_requested", ACTIVATION, 16 * KIB - 100, 1_000_012),
        entry("free_completed", ACTIVATION, 16 * KIB - 100, 1_000_012),
        entry("free_requested", PASSING, 2 * KIB, 1_000_013),
        entry("free_requested", GRADIENT, 4 * KIB, 1_000_020),
        entry("free_requested", WORKSPACE, 1 * KIB, 1_000_030),
    ]
    blocks = [(WEIGHT, 4 * KIB), (MOMENT, 8 * KIB), (LATENT, 2 * KIB)]
    segment = {
        "device": 0,
        "address": WEIGHT,
        "total_size": 2 * KIB * KIB,
        "blocks": [
            *(
                {"address": at, "size": size, "requested_size": size, "state": "active_allocated", "frames": []}
                for at, size in blocks
            ),
            {"address": 0xF000, "size": KIB, "requested_size": 0, "state": "inactive", "frames": []},
        ],
    }
    return {"segments": [segment], "device_traces": [history]}


RANGES = (
    Range(name=PART + "forward", begin=0, end=4),
    Range(name=SCOPE, begin=0, end=4),
    Range(name=SCOPE + "blocks.0.mlp", begin=0, end=4),
    Range(name=SCOPE + "blocks.0.mlp:swiglu_mlp", begin=1, end=4),
    Range(name=PART + "backward", begin=4, end=8),
    Range(name=PART + "optimizer", begin=8, end=9),
    Range(name=PART + RELEASE, begin=9, end=10),
)

KNOWN = Known(
    before={
        WEIGHT: Owner(kind=WEIGHTS, name="blocks.0.mlp.down_proj.weight"),
        MOMENT: Owner(kind=STATE, name="blocks.0.mlp.down_proj.weight"),
    },
    gradients={GRADIENT: "blocks.0.mlp.down_proj.weight"},
    leaves=frozenset({"blocks.0.mlp.down_proj"}),
)
