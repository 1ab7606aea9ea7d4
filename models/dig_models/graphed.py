"""A backbone whose forward passes replay CUDA graphs: one launch per pass instead of hundreds.

model = graphed(build("DiG-S/2", image_size=256, backend="fused", precision="bf16", device="cuda"))
noise = model(latent, timestep, label)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

WARMUP_CALLS = 3
"""Calls before a capture, so that compilation, autotuning and workspace allocation happen outside of it."""


@dataclass(frozen=True, kw_only=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class GraphedBackbone:
    """Calls the backbone without gradients. Records a graph for each new combination of input shapes and types.

    The graphs read the parameters in place. Changes in place (optimizer steps, load_state_dict) take effect. After
    Module.to, which moves or casts the parameters, create a new one.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self.backbone = backbone
        self._recordings: dict[tuple[object, ...], _Recording] = {}
        self._pool: Any = None

    def __call__(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        """Runs the forward pass of the backbone. Returns a copy, which later calls do not overwrite."""
        inputs = latent_BCHW, timestep_B, label_B
        key = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        if key not in self._recordings:
            self._recordings[key] = self._record(inputs)
        recording = self._recordings[key]
        for static, given in zip(recording.inputs, inputs, strict=True):
            static.copy_(given)
        recording.graph.replay()
        return recording.output.clone()

    @torch.no_grad()
    def _record(self, inputs: tuple[Tensor, ...]) -> _Recording:
        device = inputs[0].device
        static = tuple(tensor.detach().clone() for tensor in inputs)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARMUP_CALLS):
                self.backbone(*static)
        torch.cuda.current_stream(device).wait_stream(stream)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=stream):
            output = self.backbone(*static)
        return _Recording(graph=graph, inputs=static, output=output)


def graphed(backbone: nn.Module) -> GraphedBackbone:
    """Wraps a backbone, or what torch.compile makes of it.

    Raises ValueError if it is not on a GPU, or in training mode, in which a graph would repeat its random draws.
    """
    if not all(parameter.is_cuda for parameter in backbone.parameters()):
        raise ValueError("CUDA graphs need a backbone on a CUDA GPU: build(..., device='cuda')")
    if backbone.training:
        raise ValueError("a graph would drop the same labels on each replay: call eval() first")
    return GraphedBackbone(backbone)
