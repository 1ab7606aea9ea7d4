"""DiG without parts of SREM, as the paper takes it apart (arXiv 2405.18428, ablation): each variant adds one thing.

causal            one scan direction, row by row, and no convolution
both-directions   + every second block scans backwards
random-conv       + the depthwise convolution, with PyTorch's random start
identity-conv     the same, starting as identity
four directions   + columns, forwards and backwards: DiG itself
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from torch import Tensor, nn

from dig_models import DiG, DiGConfig, Model
from dig_models.kernels.gate_residual import GATE_RESIDUAL
from dig_models.layers.scan_order import DepthwiseConv, ScanOrder

PUBLISHED_FID = {
    "causal": 175.84,
    "both-directions": 69.28,
    "random-conv": 96.83,
    "identity-conv": 63.84,
    "four-directions": 62.06,
}
"""Of DiG-S/2 on ImageNet at 256 px, in the paper's order. The last one is DiG-S/2 itself."""


@dataclass(frozen=True, kw_only=True)
class AblatedConfig(DiGConfig):
    directions: Literal[1, 2, 4] = 4
    """Block i scans in order i % directions."""
    convolution: Literal["none", "random", "identity"] = "identity"


# B batch, T tokens of a grid, D width
class GatedResidual(nn.Module):
    """What is left of the end of a block without the convolution: x + gate * y."""

    def __init__(self, implementation: str) -> None:
        super().__init__()
        self.implementation = implementation

    def forward(self, x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        z_BTD: Tensor = GATE_RESIDUAL[self.implementation](x_BTD, gate_BD, y_BTD)
        return z_BTD


class AblatedDiG(DiG):
    """AblatedDiG(AblatedConfig(...), backend="chunked"): DiG's backends and parameters, less what is left out."""

    config: AblatedConfig

    def __init__(self, config: AblatedConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        for block in self.blocks:
            if config.convolution == "none":
                block.dw_conv = GatedResidual(self.backends[backend]["residual_conv"])
            elif config.convolution == "random":
                assert isinstance(block.dw_conv, DepthwiseConv)
                block.dw_conv.reset_parameters()

    def mix(self, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
        modulations = self.modulations(condition_BD, list(self.blocks))
        for index, (block, modulation_BM) in enumerate(zip(self.blocks, modulations, strict=True)):
            x_BTD = block(x_BTD, modulation_BM, grid, ScanOrder(index % self.config.directions))
        return x_BTD

    def mix_flops(self, batch_size: int) -> dict[str, int]:
        components = super().mix_flops(batch_size)
        if self.config.convolution == "none":
            del components["srem"]
        return components


def ablated(name: str, config: DiGConfig) -> Mapping[str, Model]:
    """`DiG-S/2` -> `DiG-S/2-causal`, ..., `DiG-S/2-four-directions`, in the paper's order."""

    def variant(directions: Literal[1, 2, 4], convolution: Literal["none", "random", "identity"]) -> Model:
        return Model(AblatedDiG, AblatedConfig(**asdict(config), directions=directions, convolution=convolution))

    variants = {
        "causal": variant(1, "none"),
        "both-directions": variant(2, "none"),
        "random-conv": variant(2, "random"),
        "identity-conv": variant(2, "identity"),
        "four-directions": variant(4, "identity"),
    }
    return {f"{name}-{variant}": model for variant, model in variants.items()}
