"""The two MLPs: GELU in DiT, SwiGLU in DiG."""

from torch import Tensor, nn

from dig_models.kernels.linear_gelu import LINEAR_GELU
from dig_models.kernels.swiglu_mlp import SWIGLU_MLP


# B batch, T tokens, D width
class GeluMLP(nn.Module):
    """(B, T, D) -> (B, T, D) with 4 D hidden channels and the tanh approximation of GELU."""

    def __init__(self, width: int, linear_gelu: str = "reference") -> None:
        super().__init__()
        self.linear_gelu = linear_gelu
        self.fc1 = xavier_linear(width, 4 * width)
        self.fc2 = xavier_linear(4 * width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD: Tensor = self.fc2(LINEAR_GELU[self.linear_gelu](x_BTD, self.fc1.weight, self.fc1.bias))
        return y_BTD


class SwiGLU(nn.Module):
    """(B, T, D) -> (B, T, D): silu(gate) * up. One projection holds the gate, then up. No biases."""

    def __init__(self, width: int, swiglu_mlp: str = "reference") -> None:
        super().__init__()
        self.swiglu_mlp = swiglu_mlp
        hidden = swiglu_hidden(width)
        self.gate_proj = xavier_linear(width, 2 * hidden, bias=False)
        self.down_proj = xavier_linear(hidden, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD: Tensor = SWIGLU_MLP[self.swiglu_mlp](x_BTD, self.gate_proj.weight, self.down_proj.weight)
        return y_BTD


def swiglu_hidden(width: int) -> int:
    """Returns 8/3 of the width, rounded up to a multiple of 256."""
    return -(-(width * 8 // 3) // 256) * 256


def xavier_linear(inputs: int, outputs: int, *, bias: bool = True, gain: float = 1.0) -> nn.Linear:
    """Creates a linear layer with the initialization of DiT: Xavier-uniform weight, zero bias."""
    linear = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(linear.weight, gain=gain)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear
