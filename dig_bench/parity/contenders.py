"""Contenders: a model for digits, or a variant of the ablation, with a backend: `DiG-T/2-causal@fused`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dig_bench.parity.ablation import ablated
from dig_bench.train import models
from dig_models import DiG, DiGConfig, Model

CHOICES: dict[str, Model] = models.FOR_DIGITS | {
    variant: model
    for name, plain in models.FOR_DIGITS.items()
    if plain.architecture is DiG and isinstance(plain.config, DiGConfig)
    for variant, model in ablated(name, plain.config).items()
}

PRECISIONS = {"cpu": "fp32", "cuda": "tf32"}
"""Precision of the training, by device type."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model with a backend."""

    model: str
    backend: str

    @property
    def name(self) -> str:
        """`DiG-T/2@fused`."""
        return f"{self.model}@{self.backend}"

    @property
    def choice(self) -> Model:
        """Architecture and config."""
        return CHOICES[self.model]


def parse(names: Iterable[str], device: str) -> list[Contender]:
    """Parses contenders; without an @, a model gets the backend that suits the device type.

    Raises ValueError, with the choices, for unknown names, duplicates, and backends that cannot train on the device.
    """
    contenders: list[Contender] = []
    for name in names:
        model, backend = models.parse(name, CHOICES, device=device, precision=PRECISIONS[device])
        contender = Contender(model=model, backend=backend)
        if contender in contenders:
            raise ValueError(f"{contender.name} is named twice")
        contenders.append(contender)
    return contenders
