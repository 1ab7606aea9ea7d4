"""Contenders: this project's baselines, and other implementations of the same networks by the same kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from typing import Any, cast

import published_dig
import published_dis
import torch
from published_dig import PublishedDiG
from published_dis import PublishedDiS
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from dig_bench.run.parameters import move
from dig_models import CATALOG, Backbone, BackboneConfig, DiG, DiS
from dig_models.catalog import DTYPES
from dig_models.dis import BidirectionalMamba

NOISE = 0.02
"""Standard deviation of the noise on fresh parameters, as in a sweep's correctness check."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A size of the three families. `resolution_px` is eight times the side of the latent."""

    name: str
    resolution_px: int
    width: int = 0
    """0 takes the catalog's sizes. The dry run on a CPU takes others."""
    depth: int = 0

    def config(self, family: str) -> BackboneConfig:
        changes = {"width": self.width, "depth": self.depth} if self.width else {}
        if self.width and family != "DiS":
            changes["num_heads"] = self.width // 64
        return replace(CATALOG[f"{family}-{self.name}/2"].config, latent_size=self.resolution_px // 8, **changes)

    def build(self, family: str, backend: str, *, precision: str, device: str) -> Backbone:
        """Returns a network whose parameters depend on the family and the size only."""
        torch.manual_seed(0)
        with torch.device(device):
            model = CATALOG[f"{family}-{self.name}/2"].architecture(self.config(family), backend=backend)
        model = model.to(DTYPES[precision]).eval().requires_grad_(False)
        move(model, NOISE)
        return model


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An implementation of a network; `build` takes the size, the precision and the device."""

    family: str
    name: str
    is_ours: bool
    build: Callable[[Size, str, str], nn.Module]
    missing: str = ""
    """Reason why it cannot run here; empty if it can."""
    compiles: bool = True
    """False if torch.compile has nothing to join: this project's fused kernels."""


def contenders(device: str) -> Iterator[Contender]:
    """Yields all contenders, those of a family one after another, the first of each with the kernels of the others."""
    on_gpu = device == "cuda"
    baselines = {
        "DiG": ("fla", "fused") if on_gpu else ("chunked",),
        "DiT": ("cudnn", "flash2", "flash3", "fused", "fused-flash3") if on_gpu else ("sdpa",),
        "DiS": ("mamba-ssm",) if on_gpu else ("chunked",),
    }
    others = {
        "DiG": [_published("DiG", device, PublishedDiG, published_dig.Kernels, "fla")],
        "DiT": [_diffusers(None)] + ([_diffusers(SDPBackend.CUDNN_ATTENTION)] if on_gpu else []),
        "DiS": [_published("DiS", device, PublishedDiS, published_dis.Kernels, "mamba")],
    }
    for family, backends in baselines.items():
        yield from (_ours(family, backend, device) for backend in backends)
        yield from others[family]
    yield _without_alignment(device)


def _ours(family: str, backend: str, device: str) -> Contender:
    precision = "bf16" if device == "cuda" else "fp32"
    reason = CATALOG[f"{family}-S/2"].architecture.unavailable(backend, device=device, precision=precision)
    return Contender(
        family=family,
        name=f"this project @{backend}",
        is_ours=True,
        build=lambda size, precision, device: size.build(family, backend, precision=precision, device=device),
        missing=reason or "",
        compiles=not backend.startswith("fused"),
    )


def _without_alignment(device: str) -> Contender:
    """DiS with GEMMs over the tokens that there are, as published: what the padding of its mixers gains."""
    ours = _ours("DiS", "mamba-ssm" if device == "cuda" else "chunked", device)

    def build(size: Size, precision: str, device: str) -> nn.Module:
        model = ours.build(size, precision, device)
        for module in model.modules():
            if isinstance(module, BidirectionalMamba):
                module.alignment = 1
        return model

    return replace(ours, name=f"{ours.name}, GEMMs not aligned", build=build)


def _published(family: str, device: str, wrapper: Any, kernels: Any, package: str) -> Contender:
    """The published procedure; on a CPU with plain PyTorch in the place of the package's kernels."""
    on_gpu = device == "cuda"
    module, backend = {"fla": ("fla", "fla"), "mamba": ("mamba_ssm", "mamba-ssm")}[package]

    def build(size: Size, precision: str, device: str) -> nn.Module:
        network = size.build(family, backend if on_gpu else "chunked", precision=precision, device=device)
        assert isinstance(network, DiG | DiS)
        return cast(nn.Module, wrapper(network, getattr(kernels, package)() if on_gpu else kernels.plain()))

    return Contender(
        family=family,
        name=f"published, on {backend if on_gpu else 'plain PyTorch'}",
        is_ours=False,
        build=build,
        missing=f"{module} is not installed" if on_gpu and find_spec(module) is None else "",
    )


def _diffusers(attention: SDPBackend | None) -> Contender:
    if find_spec("diffusers") is None:
        version, missing = "", "diffusers is not installed"
    else:
        version, missing = metadata.version("diffusers"), ""
    how = "PyTorch's choice of attention" if attention is None else "cuDNN's attention"
    return Contender(
        family="DiT",
        name=f"diffusers {version}, {how}".replace("  ", " "),
        is_ours=False,
        build=lambda size, precision, device: Diffusers(size, precision, device, attention),
        missing=missing,
    )


class Diffusers(nn.Module):
    """DiTTransformer2DModel with random parameters, called as a Backbone: latent (B, C, H, W), timestep, label."""

    def __init__(self, size: Size, precision: str, device: str, attention: SDPBackend | None) -> None:
        super().__init__()
        from diffusers import DiTTransformer2DModel

        ours = size.config("DiT")
        self.config = ours
        self.attention = attention
        heads: int = ours.num_heads  # type: ignore[attr-defined]
        torch.manual_seed(0)
        with torch.device(device):
            self.network = DiTTransformer2DModel(
                num_attention_heads=heads,
                attention_head_dim=ours.width // heads,
                in_channels=ours.in_channels,
                out_channels=ours.out_channels,
                num_layers=ours.depth,
                sample_size=ours.latent_size,
                num_embeds_ada_norm=ours.num_classes,
            )
        self.network = self.network.to(device, DTYPES[precision]).eval().requires_grad_(False)

    def forward(self, latent_BCHW: Tensor, timestep_B: Tensor, label_B: Tensor) -> Tensor:
        with nullcontext() if self.attention is None else sdpa_kernel(self.attention):
            output: Tensor = self.network(latent_BCHW, timestep_B, label_B, return_dict=False)[0]
        return output
