"""`dig-bench list`: every model, every backend, and whether it can run here."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text

from dig_models import CATALOG, Backbone, Model


def listing(device: str) -> Group:
    """Two tables: models with their parameters, backends with what keeps them from running on the device type."""
    models = Table("model", "parameters", "backends", title="models", title_justify="left")
    models.columns[1].justify = "right"
    for name, model in CATALOG.items():
        models.add_row(Text(name), f"{parameters(model) / 1e6:.1f} M", Text(" ".join(model.architecture.backends)))
    backends = Table("architecture", "backend", f"on {device}", title="backends", title_justify="left")
    for architecture, backend, reason in availability(device):
        default = architecture.default_backends.get(device) == backend
        state = (
            Text(reason, style="yellow") if reason else Text("runs, the default" if default else "runs", style="green")
        )
        backends.add_row(architecture.__name__, Text(backend), state)
    return Group(models, backends)


def availability(device: str) -> Iterator[tuple[type[Backbone], str, str | None]]:
    """Architecture, backend, and why it cannot run on the device type in the precision that suits it best."""
    for architecture in dict.fromkeys(model.architecture for model in CATALOG.values()):
        for backend in architecture.backends:
            precision = "bf16" if device == "cuda" else "fp32"
            reason = architecture.unavailable(backend, device=device, precision=precision)
            yield architecture, backend, reason and reason.removeprefix(f"{backend}: ")


def parameters(model: Model) -> int:
    """Of the network as the catalogue has it; no memory is taken for them."""
    with torch.device("meta"):
        network = model.architecture(model.config, backend=model.architecture.reference_backend)
    return sum(parameter.numel() for parameter in network.parameters())
