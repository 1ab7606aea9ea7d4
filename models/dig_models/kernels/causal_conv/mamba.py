"""Short convolution as mamba-ssm computes it: by causal-conv1d if that is installed, else by PyTorch's convolution.

SOURCE, which every row of results contains, names the one that ran.
"""

from importlib.util import find_spec

from torch import Tensor

from dig_models.kernels.causal_conv import reference
from dig_models.kernels.op import source_of

if find_spec("causal_conv1d") is not None:
    from causal_conv1d import causal_conv1d_fn

    SOURCE = source_of("causal-conv1d", "causal_conv1d_fn")

    def causal_conv(x_BDL: Tensor, weight_D1K: Tensor, bias_D: Tensor) -> Tensor:
        y_BDL: Tensor = causal_conv1d_fn(x_BDL, weight_D1K.squeeze(1), bias_D, activation="silu")
        return y_BDL

else:
    SOURCE = reference.SOURCE
    causal_conv = reference.causal_conv
