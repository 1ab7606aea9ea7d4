"""CUDA kernel of mamba-ssm, as in the published DiS. One launch computes softplus, scan, D and gate."""

from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
from torch import Tensor

from dig_models.kernels.op import source_of

SOURCE = source_of("mamba-ssm", "selective_scan_fn")


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
    """Takes u, delta, B, C and z of one dtype: fp32, bf16 or fp16."""
    y_BDL: Tensor = selective_scan_fn(
        u_BDL,
        delta_BDL,
        A_DN.float(),
        B_BNL,
        C_BNL,
        D_D.float(),
        z=z_BDL,
        delta_bias=delta_bias_D.float(),
        delta_softplus=True,
    )
    return y_BDL
