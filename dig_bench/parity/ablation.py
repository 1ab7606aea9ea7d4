"""DiG without parts of SREM: the ablation of arXiv 2405.18428, in which each variant adds one part.

causal            one scan direction, row by row, and no convolution
both-directions   + every second block scans backward
random-conv       + the depthwise convolution, with PyTorch's random initialization
identity-conv     the same, initialized as identity
four directions   + columns, forward and backward: DiG itself
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
"""FID of DiG-S/2 on ImageNet at 256 px, in the paper's order. The last variant is DiG-S/2 itself."""


@dataclass(frozen=True, kw_only=True)
class AblatedConfig(DiGConfig):
    """DiG's config with the parts that the ablation varies."""

    directions: Literal[1, 2, 4] = 4
    """Number of scan orders: block i uses order i % directions."""
    convolution: Literal["none", "random", "identity"] = "identity"


# B batch, T tokens of a grid, D width
class GatedResidual(nn.Module):
    """End of a block without the convolution: x + gate * y."""

    def __init__(self, implementation: str) -> None:
        super().__init__()
        self.implementation = implementation

    def forward(self, x_BTD: Tensor, gate_BD: Tensor, y_BTD: Tensor, grid: tuple[int, int], order: ScanOrder) -> Tensor:
        z_BTD: Tensor = GATE_RESIDUAL[self.implementation](x_BTD, gate_BD, y_BTD)
        return z_BTD


class AblatedDiG(DiG):
    """DiG with the parts of its config only: `AblatedDiG(AblatedConfig(...), backend="chunked")`."""

    config: AblatedConfig

    def __init__(self, config: AblatedConfig, *, backend: str) -> None:
        super().__init__(config, backend=backend)
        for block in self.blocks:
            if config.convolution == "none":
                block.dw_conv = GatedResidual(self.implementations["residual_conv"])
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
    """Returns the variants of a model, in the paper's order: `DiG-S/2-causal`, ..., `DiG-S/2-four-directions`."""

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
