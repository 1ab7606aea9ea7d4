"""Profiles out of nothing, for what is written and drawn of them."""

from typing import Any

from dig_bench.cell import Cell, Key, Mode
from dig_bench.measure.roofline import Measured, Roofline
from dig_bench.profile.components import CORE, MLP, PROJECTIONS, SREM
from dig_bench.profile.output.groups import Group, Pair
from dig_bench.profile.record import ComponentTime, Gaps, KernelTime, Profile

ROOFLINE = Roofline(
    device_name="a device",
    torch="2.13.0",
    gemm={name: Measured(median=1.0, low=0.9, high=1.1) for name in ("fp32", "tf32", "bf16", "fp16")},
    copy=Measured(median=100.0, low=90.0, high=110.0),
    kernel_launch_us={"eager": Measured(median=2.0, low=1.0, high=3.0)},
    sustained={"fp32": Measured(median=0.8, low=0.7, high=0.9)},
)
"""A TFLOP/s and a hundred GB/s: 1e9 FLOPs take a ms, as do 1e8 bytes."""

ENVIRONMENT = {"git_revision": "abc", "git_dirty": False, "cpu": "a device", "torch": "2.13.0"}


def component(name: str, ms: float, *, gflops: float = 0.0, mb: float = 0.0, **more: Any) -> ComponentTime:
    return ComponentTime(
        component=name, forward_ms=ms, kernel_launches=2.0, flops=1e9 * gflops, least_bytes=1e6 * mb, **more
    )


COMPONENTS = (
    component(CORE, 4.0, gflops=2.0, mb=50.0),
    component(MLP, 3.0, gflops=1.0, mb=200.0),
    component(PROJECTIONS, 2.0, gflops=2.0, mb=10.0),
    component(SREM, 1.0),
)


def profile(
    name: str = "DiG-S/2@chunked",
    *,
    resolution_px: int = 256,
    mode: Mode = "forward",
    components: tuple[ComponentTime, ...] = COMPONENTS,
    **more: Any,
) -> Profile:
    model, _, backend = name.partition("@")
    cell = Cell(model=model, backend=backend, resolution_px=resolution_px, mode=mode)
    device_ms = sum(each.total_ms for each in components)
    values: dict[str, Any] = {
        "cell": cell,
        "environment": ENVIRONMENT,
        "kernels_of_backend": "mixer=torch",
        "num_tokens": (resolution_px // 16) ** 2,
        "parameters": 1000,
        "device_ms": device_ms,
        "unprofiled_ms": device_ms,
        "components": components,
        "blocks": {"blocks.0": device_ms},
        "kernels": [
            KernelTime(
                name=f"kernel of {each.component}",
                component=each.component,
                phase="forward",
                calls=2.0,
                total_ms=each.total_ms,
                share=each.total_ms / device_ms,
            )
            for each in components
        ],
        "gaps": [Gaps(execution="eager", latency_ms=device_ms, host_ms=None, busy_ms=device_ms, kernel_launches=8.0)],
        "roofline": ROOFLINE,
    }
    return Profile(**(values | more))


def graph(latency_ms: float, **more: Any) -> Gaps:
    """A CUDA graph whose kernels take 10 ms, as those of `profile`."""
    values: dict[str, Any] = {"execution": "graph", "host_ms": 0.1, "busy_ms": 10.0, "kernel_launches": 400.0}
    return Gaps(latency_ms=latency_ms, **(values | more))


def pair_of(base: Profile, other: Profile) -> Pair:
    return Pair(base=base, other=other, group=Group(profiles=[base, other], key=Key(resolution_px=256)))
