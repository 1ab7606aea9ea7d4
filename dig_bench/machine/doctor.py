"""`dig-bench doctor`: what this machine can measure, what keeps it from more, and the command that helps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

State = Literal["ok", "optional", "missing"]
STYLES: dict[State, str] = {"ok": "green", "optional": "yellow", "missing": "bold red"}

PACKAGES = {
    "torch": "2.11",
    "numpy": "1.26",
    "scipy": "1.11",
    "pandas": "2.2",
    "matplotlib": "3.8",
    "rich": "13.7",
    "typer": "0.16",
    "jinja2": "3.1",
    "nvidia-ml-py": "12.535",
}
"""Distributions without which the suite does not run, and the oldest version of each, as in pyproject.toml."""

FOR_TRAINING = {
    "accelerate": "1.7",
    "diffusers": "0.31",
    "pillow": "10.0",
    "safetensors": "0.4",
    "tensorboard": "2.15",
}
"""Those of the extra `train`: train, encode, sample, fid and parity need them."""


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    state: State
    """`optional`: the suite runs without it; `missing`: the default sweep of this machine does not."""
    text: str
    """What was found, or what to do."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    machine: Mapping[str, Any]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        return all(check.state != "missing" for check in self.checks)

    def table(self) -> Group:
        """The machine, then the checks, those that need something in colour."""
        machine, checks = Table("machine", ""), Table("check", "", "")
        for name, fact in self.machine.items():
            if fact is not None:
                machine.add_row(name, Text(str(fact)))
        for check in self.checks:
            checks.add_row(check.name, Text(check.state, style=STYLES[check.state]), Text(check.text))
        return Group(machine, checks)


def diagnose() -> Diagnosis:
    """Of the device that a sweep would take by itself. Without the packages it says no more than which to install."""
    packages = tuple(check_package(name, oldest) for name, oldest in PACKAGES.items())
    if any(check.state == "missing" for check in packages):
        return Diagnosis(machine={}, checks=packages)

    from dig_bench.machine import devices, environment

    device = devices.choose("auto")
    return Diagnosis(
        machine=environment.describe(device),
        checks=(*packages, *check_training(), check_gpu(device), *check_backends(device)),
    )


def check_package(name: str, oldest: str) -> Check:
    install = f"pip install '{name}>={oldest}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name=name, state="missing", text=f"not installed: {install}")
    if _numbers(version) < _numbers(oldest):
        return Check(name=name, state="missing", text=f"{version} is too old: {install}")
    return Check(name=name, state="ok", text=version)


def check_training() -> Iterator[Check]:
    """Sweeps do without these packages."""
    for name, oldest in FOR_TRAINING.items():
        check = check_package(name, oldest)
        yield replace(check, state="optional") if check.state == "missing" else check


def check_gpu(device: str) -> Check:
    """Whether PyTorch can use the GPU that the driver sees."""
    import torch

    from dig_bench.measure.nvml import open_gpu

    if device == "cuda":
        try:
            torch.ones(1, device="cuda").add(1).item()
        except RuntimeError as error:
            return Check(name="GPU", state="missing", text=" ".join(str(error).split()))
        return Check(name="GPU", state="ok", text=torch.cuda.get_device_name())
    gpu = open_gpu()
    if gpu is None:
        return Check(name="GPU", state="optional", text="none found: sweeps run on the CPU")
    remedy = (
        "the driver is too old for it" if torch.version.cuda else "install a CUDA build, see pytorch.org/get-started"
    )
    return Check(name="GPU", state="missing", text=f"torch {torch.__version__} cannot use the {gpu.name}: {remedy}")


def check_backends(device: str) -> Iterator[Check]:
    """Each backend of each architecture, on the device type."""
    from dig_bench.machine.backends import availability

    for architecture, backend, reason in availability(device):
        default = architecture.default_backends.get(device) == backend
        name = f"{architecture.__name__} {backend}" + (" (default)" if default else "")
        state: State = "ok" if reason is None else "missing" if default else "optional"
        yield Check(name=name, state=state, text=reason or f"runs on {device}")


def _numbers(version: str) -> tuple[int, ...]:
    """`2.13.0+cpu` -> (2, 13)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
