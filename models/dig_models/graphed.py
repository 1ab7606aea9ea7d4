"""A backbone whose forward passes are replayed CUDA graphs: the host launches once what it would launch by the hundred.

model = graphed(build("DiG-S/2", image_size=256, backend="fused", precision="bf16", device="cuda"))
noise = model(latent, timestep, label)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dig_models.backbone import Backbone

WARMUP_CALLS = 3
"""Before a capture: whatever compiles, tunes itself or takes a workspace does so in them."""


@dataclass(frozen=True, kw_only=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor


class GraphedBackbone:
    """Called as its backbone is, without gradients; each shape and type of inputs is recorded when first met.

    The graphs read the backbone's parameters where they lie: changed in place (an optimizer's step, load_state_dict),
    they are seen; moved or cast by Module.to, they are not, so make a new one then.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._recordings: dict[tuple[object, ...], _Recording] = {}
        self._pool: Any = None

    def __call__(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        """As the backbone's forward. The result is a copy: the next call does not overwrite it."""
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


def graphed(backbone: Backbone) -> GraphedBackbone:
    """ValueError for a backbone that is not on a GPU, or that drops labels at random: a graph would drop the same."""
    if not all(parameter.is_cuda for parameter in backbone.parameters()):
        raise ValueError("CUDA graphs need a backbone on a CUDA GPU: build(..., device='cuda')")
    if backbone.training:
        raise ValueError("a graph repeats the labels that training drops at random: call eval() first")
    return GraphedBackbone(backbone)
