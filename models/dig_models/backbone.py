"""Backbone and BackboneConfig: the interface of every architecture, plugins included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dig_models.kernels.op import KernelOp, suggest


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """Sizes of a network. `latent_size` and `patch_size` count latent pixels: one is 8 x 8 image pixels."""

    latent_size: int
    patch_size: int
    width: int
    depth: int
    num_classes: int = 1000
    in_channels: int = 4
    learn_sigma: bool = True
    label_dropout: float = 0.1

    @property
    def grid(self) -> tuple[int, int]:
        """Token rows and columns. Raises ValueError if the latent is not a whole number of patches."""
        if self.latent_size < 1 or self.latent_size % self.patch_size:
            raise ValueError(f"latent_size {self.latent_size} is not a multiple of patch_size {self.patch_size}")
        side = self.latent_size // self.patch_size
        return side, side

    @property
    def num_tokens(self) -> int:
        """Number of image tokens."""
        rows, columns = self.grid
        return rows * columns

    @property
    def out_channels(self) -> int:
        """Channels of the output: noise, and its variance if the network learns it."""
        return self.in_channels * (2 if self.learn_sigma else 1)


@dataclass(frozen=True)
class FlopCount:
    """Floating-point operations of a forward pass, two for a multiply-accumulate, by component.

    Leaves out elementwise work (norms, activations, gates, residuals), as torch.utils.flop_counter does. Includes the
    recurrences and the fused kernels, which that counter cannot see.
    """

    by_component: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_component.values())

    @property
    def gmacs(self) -> float:
        """Multiply-accumulates in 10^9, which papers call GFLOPs."""
        return self.total / 2e9


# B batch, C latent channels, H W latent height and width
class Backbone(nn.Module, ABC):
    """Predicts noise (and its variance) from a noisy latent. Subclasses add layers, but no arguments of forward."""

    backends: ClassVar[Mapping[str, Mapping[str, str]]]
    """Mapping backend -> operation -> implementation. The backend is the name after the @."""
    operations: ClassVar[Mapping[str, KernelOp]] = {}
    """Operations that `backends` refers to, by name."""
    reference_backend: ClassVar[str] = "reference"
    """Backend that every other backend is checked against."""
    default_backends: ClassVar[Mapping[str, str]]
    """Mapping device type -> backend of a model that is named without an @."""
    uncounted: ClassVar[frozenset[str]] = frozenset()
    """Components of flops() that torch.utils.flop_counter cannot see in the reference backend."""

    def __init__(self, config: BackboneConfig, *, backend: str) -> None:
        super().__init__()
        name, _, variant = backend.partition(":")
        if name not in self.backends or backend not in (name, *self.variants(name)):
            raise ValueError(f"{type(self).__name__} has no backend {suggest(backend, self.backends)}")
        self.config = config
        self.backend = name
        self.variant = variant
        self.implementations = {
            operation: f"{implementation}:{variant}"
            if variant in self.operations[operation].implementations[implementation].variants
            else implementation
            for operation, implementation in self.backends[name].items()
        }

    @abstractmethod
    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 2C, H, W) if the network learns sigma, else (B, C, H, W)."""

    @abstractmethod
    def flops(self, batch_size: int) -> FlopCount:
        """Returns the exact FLOPs of a forward pass by component, computed from the config."""

    @classmethod
    def unavailable(cls, backend: str, *, device: str, mode: str = "forward", precision: str = "fp32") -> str | None:
        """Returns the reason why the backend cannot run, in one line, or None if it can. Imports nothing."""
        for operation, implementation in cls.backends[backend].items():
            chosen = cls.operations[operation].implementations[implementation]
            if reason := chosen.unavailable(device=device, mode=mode, precision=precision):
                return f"{backend}: {reason}"
        return None

    @classmethod
    def variants(cls, backend: str) -> tuple[str, ...]:
        """Names to build the backend by, which together run every kernel that it picks by size.

        `("fused:few", "fused:many")` where some operation has these variants, else the backend itself.
        """
        chosen = (cls.operations[op].implementations[name] for op, name in cls.backends[backend].items())
        found = dict.fromkeys(variant for each in chosen for variant in each.variants)
        return tuple(f"{backend}:{variant}" for variant in found) or (backend,)

    @classmethod
    def suited_backend(cls, *, device: str, precision: str) -> str:
        """Returns the device's default backend, or the first backend that supports the precision if that one does not.

        Does not look at installed packages: a default whose package is missing stays the default and fails on use.
        """

        def takes_both(backend: str) -> bool:
            chosen = [cls.operations[op].implementations[name] for op, name in cls.backends[backend].items()]
            return all(device in each.devices and precision in each.precisions for each in chosen)

        default = cls.default_backends[device]
        return next(filter(takes_both, [default, *cls.backends]), default)

    @property
    def num_tokens(self) -> int:
        return self.config.num_tokens

    def kernels(self) -> str:
        """Names the package, version and kernel of each operation: `operation=package version kernel; ...`."""
        chosen = self.backends[self.backend].items()
        return "; ".join(f"{name}={self.operations[name].source(implementation)}" for name, implementation in chosen)

    def forward_with_cfg(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor, scale: float) -> Tensor:
        """Runs the network with classifier-free guidance, as `with_guidance` describes."""
        return with_guidance(self, latent_BCHW, timestep_B, label_B, scale)


def with_guidance(
    network: Callable[[Tensor, Tensor, Tensor], Tensor],
    latent_BCHW: Tensor,
    timestep_B: Tensor,
    label_B: Tensor,
    scale: float,
) -> Tensor:
    """Applies classifier-free guidance as published with DiT: to the first three channels, or fewer if there are fewer.

    The batch holds each latent twice, first with its label, then with the null label `num_classes`. The first half of
    the latents serves both.
    """
    half_BCHW = latent_BCHW.chunk(2)[0]
    output_BCHW = network(torch.cat([half_BCHW, half_BCHW]), timestep_B, label_B)
    channels = min(3, latent_BCHW.shape[1])
    guided_BCHW, rest_BCHW = output_BCHW[:, :channels], output_BCHW[:, channels:]
    conditional, unconditional = guided_BCHW.chunk(2)
    mixed = unconditional + scale * (conditional - unconditional)
    return torch.cat([torch.cat([mixed, mixed]), rest_BCHW], dim=1)
