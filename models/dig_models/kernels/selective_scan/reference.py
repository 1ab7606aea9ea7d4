"""Specification: a loop over tokens in fp32."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("torch", "loop over tokens")


def selective_scan(
    u_BDL: Tensor,
    delta_BDL: Tensor,
    A_DN: Tensor,
    B_BNL: Tensor,
    C_BNL: Tensor,
    D_D: Tensor,
    z_BDL: Tensor,
    delta_bias_D: Tensor,
) -> Tensor:
    """Computes h_t = exp(step_t A) h_{t-1} + step_t B_t u_t and y_t = (C_t h_t + D u_t) silu(z_t).

    h_0 = 0 and step = softplus(delta + bias) (arXiv 2312.00752, equation 2 and algorithm 2). A token sees itself and
    all earlier ones.
    """
    u, A_DN, B_BNL, C_BNL = u_BDL.float(), A_DN.float(), B_BNL.float(), C_BNL.float()
    step_BDL = F.softplus(delta_BDL.float() + delta_bias_D.float().unsqueeze(-1))
    state_BDN = u.new_zeros(u.shape[0], *A_DN.shape)
    outputs = []
    for t in range(u.shape[-1]):
        step_BD1, u_BD1 = step_BDL[:, :, t, None], u[:, :, t, None]
        state_BDN = (step_BD1 * A_DN).exp() * state_BDN + step_BD1 * B_BNL[:, None, :, t] * u_BD1
        outputs.append((state_BDN * C_BNL[:, None, :, t]).sum(-1))
    y_BDL = torch.stack(outputs, dim=-1) + D_D.float().unsqueeze(-1) * u
    return (y_BDL * F.silu(z_BDL.float())).to(u_BDL.dtype)
