"""Backbone and BackboneConfig: the interface that every architecture shares, plugins included."""

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
    """The sizes of a network. `latent_size` and `patch_size` are in latent pixels (an eighth of an image's)."""

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
        """Token rows and columns. ValueError when the latent is no whole number of patches."""
        if self.latent_size < 1 or self.latent_size % self.patch_size:
            raise ValueError(f"latent_size {self.latent_size} is no multiple of patch_size {self.patch_size}")
        side = self.latent_size // self.patch_size
        return side, side

    @property
    def num_tokens(self) -> int:
        """Image tokens."""
        rows, columns = self.grid
        return rows * columns

    @property
    def out_channels(self) -> int:
        """Noise, and its variance when that is learned."""
        return self.in_channels * (2 if self.learn_sigma else 1)


@dataclass(frozen=True)
class FlopCount:
    """Floating-point operations of a forward pass, two for a multiply-accumulate, by component.

    As in torch.utils.flop_counter, elementwise work (norms, activations, gates, residuals) is not counted; the
    recurrences and fused kernels, which that counter cannot see, are.
    """

    by_component: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_component.values())

    @property
    def gmacs(self) -> float:
        """Multiply-accumulates in 10^9: what papers call GFLOPs."""
        return self.total / 2e9


# B batch, C latent channels, H W latent height and width
class Backbone(nn.Module, ABC):
    """Predicts noise (and its variance) from a noisy latent. Subclasses add layers, never forward arguments."""

    backends: ClassVar[Mapping[str, Mapping[str, str]]]
    """Backend -> operation -> implementation: what a name after the @ means."""
    operations: ClassVar[Mapping[str, KernelOp]] = {}
    """The operations that `backends` speaks of."""
    reference_backend: ClassVar[str] = "reference"
    """The oracle that every other backend is held to."""
    default_backends: ClassVar[Mapping[str, str]]
    """Device type -> the backend that a model without an @ takes there."""
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
        """(B, C, H, W) -> (B, 2C, H, W) when it learns sigma, else (B, C, H, W)."""

    @abstractmethod
    def flops(self, batch_size: int) -> FlopCount:
        """Exact, by component, from the shapes of the config."""

    @classmethod
    def unavailable(cls, backend: str, *, device: str, mode: str = "forward", precision: str = "fp32") -> str | None:
        """Why the backend cannot run so, in one line; None when it can. Imports nothing."""
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
        """The device's default, or the first in the table that takes the precision where that one does not.

        Packages do not count: a default that is not installed stays the default, and says so when it is asked for.
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
        """What exactly runs: `operation=package version kernel`, joined by `; `."""
        chosen = self.backends[self.backend].items()
        return "; ".join(f"{name}={self.operations[name].source(implementation)}" for name, implementation in chosen)

    def forward_with_cfg(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor, scale: float) -> Tensor:
        """`with_guidance` of this network."""
        return with_guidance(self, latent_BCHW, timestep_B, label_B, scale)


def with_guidance(
    network: Callable[[Tensor, Tensor, Tensor], Tensor],
    latent_BCHW: Tensor,
    timestep_B: Tensor,
    label_B: Tensor,
    scale: float,
) -> Tensor:
    """Classifier-free guidance as DiT published it: on the first three channels only (fewer if it has fewer).

    The batch holds each latent twice, first with its label, then with the null label `num_classes`; the first half
    of the latents is used for both.
    """
    half_BCHW = latent_BCHW.chunk(2)[0]
    output_BCHW = network(torch.cat([half_BCHW, half_BCHW]), timestep_B, label_B)
    channels = min(3, latent_BCHW.shape[1])
    guided_BCHW, rest_BCHW = output_BCHW[:, :channels], output_BCHW[:, channels:]
    conditional, unconditional = guided_BCHW.chunk(2)
    mixed = unconditional + scale * (conditional - unconditional)
    return torch.cat([torch.cat([mixed, mixed]), rest_BCHW], dim=1)
