"""Computes the selective scan of Mamba (Gu and Dao, arXiv 2312.00752).

A diagonal state space model, whose step, input and output weights depend on the token.

All implementations have the signature

    selective_scan(u_BDL, delta_BDL, A_DN, B_BNL, C_BNL, D_D, z_BDL, delta_bias_D) -> y_BDL

with B batch, D channels, L tokens, N states of a channel. The tensors have Mamba's names (u, delta, A, B, C, D, z).
Tokens come last, as the CUDA kernel takes them. A < 0. The operation adds the bias to delta and applies softplus to it,
and SiLU to z. A, D and the bias may have any precision; state and sums are fp32; y has the dtype of u.
"""

from dig_models.kernels.op import Implementation, KernelOp

SELECTIVE_SCAN = KernelOp(
    "selective_scan",
    {
        "reference": Implementation(module=f"{__name__}.reference", sequential=True),
        "chunked": Implementation(module=f"{__name__}.chunked"),
        "mamba-ssm": Implementation(
            module=f"{__name__}.mamba",
            packages=("mamba_ssm",),
            install="pip install 'dig-bench[mamba]'",
            devices=("cuda",),
        ),
    },
)
