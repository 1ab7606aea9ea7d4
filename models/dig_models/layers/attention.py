"""The mixer of a DiT block."""

from torch import Tensor, nn

from dig_models.kernels.attention import ATTENTION
from dig_models.layers.mlp import xavier_linear


# B batch, T tokens, D width, H heads
class Attention(nn.Module):
    """Multi-head softmax attention, (B, T, D) -> (B, T, D), with biases."""

    def __init__(self, width: int, num_heads: int, implementation: str) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f"width {width} is not a multiple of {num_heads} heads")
        self.num_heads = num_heads
        self.implementation = implementation
        self.qkv = xavier_linear(width, 3 * width)
        self.proj = xavier_linear(width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        q_BTHD, k_BTHD, v_BTHD = self.qkv(x_BTD).unflatten(-1, (3, self.num_heads, -1)).unbind(2)
        o_BTHD = ATTENTION[self.implementation](q_BTHD, k_BTHD, v_BTHD)
        mixed_BTD: Tensor = self.proj(o_BTHD.flatten(2))
        return mixed_BTD
