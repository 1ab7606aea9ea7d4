"""Step: what one sample of a cell runs, and the three ways to run it: eager, compiled, as a CUDA graph."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dig_bench.measure.memory import is_out_of_memory
from dig_models import Backbone

CAPTURE_WARMUP = 2
"""Steps on the capture's stream before it: libraries set up their workspaces for a stream when they first see it."""


class CaptureError(Exception):
    """A step that no CUDA graph can hold, and why."""


# B batch, C latent channels, H W latent height and width
@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Of a backbone: latent (B, C, H, W), timestep (B,), label (B,)."""

    latent: Tensor
    timestep: Tensor
    label: Tensor

    @staticmethod
    def random(model: Backbone, batch_size: int) -> Inputs:
        """Seeded, in the model's precision, on its device."""
        parameter = next(model.parameters())
        generator = torch.Generator(parameter.device).manual_seed(1)
        config, device = model.config, parameter.device
        shape = (batch_size, config.in_channels, config.latent_size, config.latent_size)
        latent_BCHW = torch.randn(shape, generator=generator, device=device)
        return Inputs(
            latent=latent_BCHW.to(parameter.dtype),
            timestep=torch.randint(1000, (batch_size,), generator=generator, device=device),
            label=torch.randint(config.num_classes, (batch_size,), generator=generator, device=device),
        )

    def into(self, model: Callable[..., Tensor]) -> Tensor:
        return model(self.latent, self.timestep, self.label)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Parts that run one after the other, by name, on inputs that stay where they are."""

    parts: Mapping[str, Callable[[], object]]
    outputs: list[Tensor]
    """One, the network's of the last run. It may hold on to a large block of the allocator: clear it to free memory."""
    captured: Step | None = None
    """Of a step that replays graphs: the one that they hold, which keeps alive the tensors that they read."""
    optimizer: torch.optim.Optimizer | None = None
    """Of a training step."""

    def __call__(self) -> None:
        for part in self.parts.values():
            part()


def forward_step(model: Callable[..., Tensor], inputs: Inputs) -> Step:
    """One part, `forward`, under inference mode."""
    outputs: list[Tensor] = []

    def forward() -> None:
        outputs.clear()
        with torch.inference_mode():
            outputs.append(inputs.into(model))

    return Step(parts={"forward": forward}, outputs=outputs)


def training_step(model: Backbone, call: Callable[..., Tensor], inputs: Inputs) -> Step:
    """`forward`, `backward`, `optimizer`: the model in training mode, called through `call`, and AdamW (fused).

    There is no loss: the backward pass starts from a fixed random gradient of unit norm. The learning rate is zero, so
    that every step trains the same network however many there are; AdamW's work does not depend on it.
    """
    model.train().requires_grad_(True)
    on_cuda = inputs.latent.is_cuda
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.0, fused=True, capturable=on_cuda)
    outputs: list[Tensor] = []
    cotangent = cotangent_like(model, inputs)

    def forward() -> None:
        outputs.clear()
        outputs.append(inputs.into(call))

    def backward() -> None:
        outputs[0].backward(cotangent)

    def update() -> None:
        optimizer.step()
        # To None: a captured backward pass then writes new gradients, where it would add to those of the last step.
        optimizer.zero_grad(set_to_none=True)

    parts = {"forward": forward, "backward": backward, "optimizer": update}
    return Step(parts=parts, outputs=outputs, optimizer=optimizer)


def cotangent_like(model: Backbone, inputs: Inputs) -> Tensor:
    """A seeded random gradient of the output, of unit norm on average."""
    batch_size, _, *size = inputs.latent.shape
    generator = torch.Generator(inputs.latent.device).manual_seed(2)
    shape = (batch_size, model.config.out_channels, *size)
    cotangent = torch.randn(shape, generator=generator, device=inputs.latent.device)
    return (cotangent * cotangent.numel() ** -0.5).to(inputs.latent.dtype)


def capture(step: Step) -> Step:
    """The step with each part as a CUDA graph of its own; the graphs share one memory pool and replay in order.

    The step has run before, so that nothing is left to compile. CaptureError, with the reason, when CUDA refuses;
    running out of memory meanwhile stays what it is.
    """
    stream = _capture_stream()
    _free(step)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(CAPTURE_WARMUP):
            step()
    _free(step)
    pool = torch.cuda.graph_pool_handle()
    graphs = {}
    for name, part in step.parts.items():
        graphs[name] = torch.cuda.CUDAGraph()
        _record(part, torch.cuda.graph(graphs[name], pool=pool, stream=stream))
    return Step(parts={name: graph.replay for name, graph in graphs.items()}, outputs=step.outputs, captured=step)


@cache
def _capture_stream() -> torch.cuda.Stream:
    """One for all captures: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream()


def _free(step: Step) -> None:
    """Hands cached memory back, since blocks of one stream serve no other."""
    step.outputs.clear()
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()


def _record(part: Callable[[], object], capturing: AbstractContextManager[None]) -> None:
    failures: list[Exception] = []
    try:
        with capturing:
            try:
                part()
            except Exception as error:
                failures.append(error)
                raise
    except Exception as error:
        # Leaving a capture that failed raises once more: what failed first is the reason.
        reason = (failures or [error])[0]
        if is_out_of_memory(reason):
            raise reason from None
        raise CaptureError(first_line(reason)) from reason


def first_line(error: Exception) -> str:
    """`TypeName: first line of the message`."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
