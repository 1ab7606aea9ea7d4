"""Selective scan (Mamba, Gu and Dao, arXiv 2312.00752): a diagonal state space whose step, input and output weights
depend on the token.

All implementations take and return

    selective_scan(u_BDL, delta_BDL, A_DN, B_BNL, C_BNL, D_D, z_BDL, delta_bias_D) -> y_BDL

with B batch, D channels, L tokens, N states of a channel; a tensor's own letter (u, delta, A, B, C, D, z) is Mamba's.
Tokens come last, as the CUDA kernel wants them. A < 0. delta is taken before its bias and softplus, z before its SiLU.
A, D and the bias may be of any precision; state and sums are fp32; y has u's dtype.
"""

from dig_models.kernels.op import Implementation, KernelOp

SELECTIVE_SCAN = KernelOp(
    "selective_scan",
    {
        "reference": Implementation(module=f"{__name__}.reference"),
        "chunked": Implementation(module=f"{__name__}.chunked"),
        "mamba-ssm": Implementation(
            module=f"{__name__}.mamba",
            packages=("mamba_ssm",),
            install="pip install 'dig-bench[mamba]'",
            devices=("cuda",),
        ),
    },
)
