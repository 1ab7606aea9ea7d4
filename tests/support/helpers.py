"""Helpers for the tests of both packages."""

from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def moved(module: Module, std: float = 0.05) -> Module:
    """Adds seeded noise to every parameter, since fresh DiG and DiT blocks are the identity. Sets evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += std * torch.randn(parameter.shape, generator=generator)
    return module.eval()
