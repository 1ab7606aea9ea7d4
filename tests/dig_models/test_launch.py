"""Fast launches: the first launch of a kind goes through Triton, later ones go directly to the compiled binary."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="needs Triton")

from triton.tools.tensor_descriptor import TensorDescriptor

from dig_models.kernels import launch


class OnGPU(Tensor):
    def get_device(self) -> int:
        return 0


class Jit:
    """Records the launches that go through Triton, and those that go directly to a binary."""

    arg_names = ("x", "stride", "other", "num_tokens", "WIDTH")

    def __init__(self) -> None:
        self.through: list[tuple[Any, ...]] = []
        self.past: list[tuple[Any, ...]] = []

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def compile_and_launch(*args: Any, **named: Any) -> Any:
            self.through.append((grid, args, named))
            return SimpleNamespace(run=lambda *all: self.past.append(all), function="f", packed_metadata="m")

        return compile_and_launch


@pytest.fixture
def jit(monkeypatch: pytest.MonkeyPatch) -> Jit:
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", lambda device: 7, raising=False)
    return Jit()


def on_gpu(dtype: torch.dtype = torch.float32, skipped: int = 0) -> Tensor:
    return torch.zeros(64, dtype=dtype)[skipped:].as_subclass(OnGPU)


CONSTANTS = {"num_tokens": 5, "WIDTH": 32, "num_warps": 4}


def test_the_second_launch_calls_the_binary_with_the_same_arguments(jit: Jit) -> None:
    kernel = launch.Kernel(jit)
    x, y = on_gpu(), on_gpu()
    kernel[2, 3](x, 9, None, **CONSTANTS)
    kernel[4,](y, 9, None, **CONSTANTS)
    assert jit.through == [((2, 3), (x, 9, None), CONSTANTS)]
    assert jit.past == [(4, 1, 1, 7, "f", "m", None, None, None, y.data_ptr(), 9, None, 5, 32)]


@pytest.mark.parametrize(
    ("args", "changed"),
    [
        ((on_gpu(torch.bfloat16), 9, None), {}),
        ((on_gpu(), 16, None), {}),
        ((on_gpu(), 9, on_gpu()), {}),
        ((on_gpu(), 9, None), {"num_tokens": 6}),
        ((on_gpu(), 9, None), {"num_warps": 8}),
    ],
    ids=["type", "number", "tensor for None", "named number", "option"],
)
def test_a_change_that_may_need_another_binary_goes_through_triton(
    jit: Jit, args: tuple[Any, ...], changed: dict[str, int]
) -> None:
    kernel = launch.Kernel(jit)
    kernel[1,](on_gpu(), 9, None, **CONSTANTS)
    kernel[1,](*args, **CONSTANTS | changed)
    assert len(jit.through) == 2
    assert not jit.past


def test_a_descriptor_is_passed_unchanged_and_another_block_shape_goes_through_triton(jit: Jit) -> None:
    kernel = launch.Kernel(jit)
    small, same, large = (TensorDescriptor(on_gpu(), [8, 8], [8, 1], [rows, 8]) for rows in (4, 4, 8))
    for each in (small, same, large):
        kernel[1,](each, 9, None, **CONSTANTS)
    assert [arguments[0] for _, arguments, _ in jit.through] == [small, large]
    assert jit.past == [(1, 1, 1, 7, "f", "m", None, None, None, same, 9, None, 5, 32)]


def test_options_with_equal_values_are_distinguished(jit: Jit) -> None:
    kernel = launch.Kernel(jit)
    kernel[1,](on_gpu(), 9, None, **CONSTANTS, num_stages=2)
    kernel[1,](on_gpu(), 9, None, **CONSTANTS, num_ctas=2)
    assert len(jit.through) == 2


def test_less_aligned_memory_always_goes_through_triton(jit: Jit) -> None:
    kernel = launch.Kernel(jit)
    for skipped in (0, 1, 1):
        kernel[1,](on_gpu(skipped=skipped), 9, None, **CONSTANTS)
    assert len(jit.through) == 3


def test_a_launch_hook_sees_every_launch(jit: Jit, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = launch.Kernel(jit)
    kernel[1,](on_gpu(), 9, None, **CONSTANTS)
    listening = SimpleNamespace(launch_enter_hook=print, launch_exit_hook=None)
    monkeypatch.setattr(launch.knobs, "runtime", listening)
    kernel[1,](on_gpu(), 9, None, **CONSTANTS)
    assert len(jit.through) == 2


@pytest.mark.parametrize("other", [None, on_gpu()])
def test_a_tensor_on_a_cpu_goes_through_triton_which_refuses_it(jit: Jit, other: Tensor | None) -> None:
    kernel = launch.Kernel(jit)
    for _ in range(2):
        kernel[1,](other, 9, torch.zeros(4), **CONSTANTS)
    assert len(jit.through) == 2
