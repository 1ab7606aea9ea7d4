"""Models and backends of the catalogue, and which backends can run on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from dig_models import CATALOG, Model


@dataclass(frozen=True, kw_only=True)
class BackendState:
    """One backend of one architecture on a device type."""

    architecture: str
    backend: str
    is_default: bool
    """True if the device type takes this backend unless told otherwise."""
    reason: str | None
    """Reason why it cannot run, with the remedy; None if it can."""


def backend_states(device: str) -> Iterator[BackendState]:
    """Yields all backends on a device type, judged in the precision that suits it: bf16 on `cuda`, fp32 on `cpu`."""
    precision = "bf16" if device == "cuda" else "fp32"
    for architecture in dict.fromkeys(model.architecture for model in CATALOG.values()):
        for backend in architecture.backends:
            reason = architecture.unavailable(backend, device=device, precision=precision)
            yield BackendState(
                architecture=architecture.__name__,
                backend=backend,
                is_default=architecture.default_backends.get(device) == backend,
                reason=reason and reason.removeprefix(f"{backend}: "),
            )


def count_parameters(model: Model) -> int:
    """Counts the parameters of a network of the catalogue, without memory for them."""
    with torch.device("meta"):
        network = model.architecture(model.config, backend=model.architecture.reference_backend)
    return sum(parameter.numel() for parameter in network.parameters())
