"""Diagnosis of this machine: what it can measure, what is missing, and the command that installs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, Literal

State = Literal["ok", "optional", "missing"]
"""`optional`: the suite runs without it; `missing`: the default sweep of this machine does not."""

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
"""Required distributions and the oldest version of each, as in pyproject.toml."""

FOR_TRAINING = {
    "accelerate": "1.7",
    "diffusers": "0.31",
    "pillow": "10.0",
    "safetensors": "0.4",
    "tensorboard": "2.15",
}
"""Distributions of the extra `train`, which train, encode, sample, fid and parity need."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of one check."""

    name: str
    state: State
    text: str
    """Version or fact that was found, or the remedy."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Facts about the machine, and the results of all checks."""

    machine: Mapping[str, Any]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        return all(check.state != "missing" for check in self.checks)


def diagnose() -> Diagnosis:
    """Diagnoses the default device. If a required package is missing, checks nothing but the packages."""
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
    """Checks that a distribution is installed and not too old."""
    install = f"pip install '{name}>={oldest}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name=name, state="missing", text=f"not installed: {install}")
    if _numbers(version) < _numbers(oldest):
        return Check(name=name, state="missing", text=f"{version} is too old: {install}")
    return Check(name=name, state="ok", text=version)


def check_training() -> Iterator[Check]:
    """Checks the packages of the extra `train`; sweeps need none of them."""
    for name, oldest in FOR_TRAINING.items():
        check = check_package(name, oldest)
        yield replace(check, state="optional") if check.state == "missing" else check


def check_gpu(device: str) -> Check:
    """Checks that PyTorch can use the GPU that the driver sees."""
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
    """Checks each backend of each architecture on the device type."""
    from dig_bench.machine.backends import backend_states

    for each in backend_states(device):
        name = f"{each.architecture} {each.backend}" + (" (default)" if each.is_default else "")
        state: State = "ok" if each.reason is None else "missing" if each.is_default else "optional"
        yield Check(name=name, state=state, text=each.reason or f"runs on {device}")


def _numbers(version: str) -> tuple[int, ...]:
    """Turns `2.13.0+cpu` into (2, 13)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
