"""`dig-bench doctor`: what this machine can measure, what keeps it from more, and the command that helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata, util
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from dig_bench import environment

State = Literal["ok", "optional", "missing"]
STYLES: dict[State, str] = {"ok": "green", "optional": "yellow", "missing": "bold red"}

PACKAGES = {
    "torch": (2, 11),
    "numpy": (1, 26),
    "pandas": (2, 2),
    "matplotlib": (3, 8),
    "rich": (13, 7),
    "typer": (0, 12),
    "jinja2": (3, 1),
    "nvidia-ml-py": (12, 535),
}
"""Distributions without which nothing runs, and the oldest version of each, as in pyproject.toml."""


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    state: State
    """`optional`: the suite runs without it; `missing`: the default sweep of this machine does not."""
    text: str
    """What was found, or what to do."""


def checks() -> list[Check]:
    """All of them; those of the backends and the GPU are left out while PyTorch is missing."""
    packages = [_package(name, oldest) for name, oldest in PACKAGES.items()]
    if util.find_spec("torch") is None:
        return packages
    device, gpu = _gpu(nvml_gpus())
    return [*packages, gpu, *_backends(device)]


def table(found: Iterable[Check]) -> Group:
    """The machine, then the checks, those that need something in colour."""
    machine = Table("machine", "", title_justify="left")
    for name, fact in environment.describe("auto").items():
        machine.add_row(name, Text(str(fact)))
    checked = Table("check", "", "")
    for check in found:
        checked.add_row(Text(check.name), Text(check.state, style=STYLES[check.state]), Text(check.text))
    return Group(machine, checked)


def nvml_gpus() -> list[str]:
    """Names of the GPUs that the driver sees, whether PyTorch does or not."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


def _package(name: str, oldest: tuple[int, int]) -> Check:
    wanted = f"pip install '{name}>={oldest[0]}.{oldest[1]}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name=name, state="missing", text=f"not installed: {wanted}")
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < oldest:
        return Check(name=name, state="missing", text=f"{version} is too old: {wanted}")
    return Check(name=name, state="ok", text=version)


def _gpu(seen_by_driver: list[str]) -> tuple[str, Check]:
    """The device type that a sweep would take, and what there is to say about GPUs."""
    import torch

    found = ", ".join(seen_by_driver)
    if torch.cuda.is_available():
        return "cuda", _attempt("GPU", lambda: f"{torch.ones(8, device='cuda').sum():.0f} of 8 adds up, {found}")
    if not seen_by_driver:
        return "cpu", Check(name="GPU", state="optional", text="none found: sweeps run on the CPU")
    remedy = "a newer driver" if torch.version.cuda else "a CUDA build of torch, see pytorch.org/get-started"
    text = f"{found} is there, but torch {torch.__version__} cannot use it: install {remedy}"
    return "cpu", Check(name="GPU", state="missing", text=text)


def _attempt(name: str, action: Callable[[], str]) -> Check:
    try:
        return Check(name=name, state="ok", text=action())
    except RuntimeError as error:
        return Check(name=name, state="missing", text=" ".join(str(error).split()))


def _backends(device: str) -> Iterator[Check]:
    """Each backend of each architecture, on the device type."""
    from dig_bench.listing import availability

    for architecture, backend, reason in availability(device):
        default = architecture.default_backends.get(device) == backend
        name = f"{architecture.__name__} {backend}" + (" (default)" if default else "")
        if reason is None:
            yield Check(name=name, state="ok", text=f"runs on {device}")
        else:
            yield Check(name=name, state="missing" if default else "optional", text=reason)
