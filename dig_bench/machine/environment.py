"""Environment of a measurement: machine, software, code. Imports no torch and makes no CUDA context."""

from __future__ import annotations

import os
import platform
import re
import runpy
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

from dig_bench import __version__
from dig_bench.measure.nvml import open_gpu

CODE = ("dig_bench", "models")
"""Folders of the checkout with the code that runs."""

KERNEL_PACKAGES = ("triton", "fla-core", "flash-attn", "fa3-fwd", "mamba-ssm")
"""Distributions with kernels."""

VARIABLES = (
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "CUDA_LAUNCH_BLOCKING",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TRITON_PTXAS_PATH",
)
"""Environment variables that change precision, memory or speed behind a cell's back."""

MACHINE_KEYS = (
    "device",
    "platform",
    "cpu",
    "cpu_threads",
    "gpu_name",
    "gpu_count",
    "gpu_memory_mib",
    "power_limit_w",
    "driver",
    "python",
    "torch",
    "cuda",
    "cudnn",
    *KERNEL_PACKAGES,
    *VARIABLES,
)
"""Keys that must agree among the rows of a folder. The git revision may change; the manifest lists each."""


def describe(device: str) -> dict[str, Any]:
    """Describes the environment, flat and ready for JSON. `device` is `cpu` or `cuda`; None if a key does not apply."""
    return {
        "dig_bench": __version__,
        **git_state(),
        "device": device,
        "platform": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cpu_threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "torch": _version("torch"),
        **_torch_builds(),
        **{package: _version(package) for package in KERNEL_PACKAGES},
        **{name: os.environ.get(name) for name in VARIABLES},
        **_gpu(device),
    }


def machine_name(environment: Mapping[str, Any]) -> str:
    """Returns the machine's name for a folder: `h100-80gb-hbm3`."""
    machine = str(environment.get("gpu_name") or environment.get("cpu") or "cpu").lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"nvidia|\((r|tm)\)|@.*|\bcpu\b", " ", machine))
    return "-".join(words) or "cpu"


def git_state() -> dict[str, Any]:
    """Describes the checkout of this code; all None without one. Dirty: the code differs from the revision."""
    root = Path(__file__).parents[2]
    revision = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    changes = _git(root, "status", "--porcelain", "--", *CODE, "pyproject.toml") if revision else None
    dirty = None if changes is None else bool(changes)
    return {"git_revision": revision, "git_dirty": dirty, "git_trees": _trees(root) if revision else None}


def _trees(root: Path) -> str | None:
    """Returns `dig_bench 1a2b... models 3c4d...`, the git trees of the code as it is, committed or not.

    They are what `git rev-parse REVISION:models` returns for a revision with the same code.
    """
    objects = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    if objects is None:
        return None
    # A temporary index and object folder: the checkout stays unchanged, and can be read-only.
    with suppress(OSError), tempfile.TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": f"{folder}/index", "GIT_OBJECT_DIRECTORY": folder}
        own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = objects
        there = [name for name in CODE if (root / name).is_dir()]
        if _git(root, "add", "--", *there, **own) is None:
            return None
        return " ".join(f"{name} {_git(root, 'write-tree', f'--prefix={name}/', **own)}" for name in there)
    return None


@cache
def cpu_name() -> str:
    """Returns the vendor's name of the CPU, or the architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu(device: str) -> dict[str, Any]:
    gpu = open_gpu() if device == "cuda" else None
    keys = {
        "gpu_name": "name",
        "gpu_memory_mib": "memory_total_mib",
        "power_limit_w": "power_limit_w",
        "sm_clock_max_mhz": "sm_clock_max_mhz",
        "gpu_used_mib_at_start": "memory_used_mib",
        "gpu_processes_at_start": "num_processes",
    }
    found: dict[str, Any] = {key: gpu and getattr(gpu, attribute) for key, attribute in keys.items()}
    throttled = " ".join(gpu.throttle_reasons()) if gpu else None
    counts = {"gpu_count": gpu and gpu.count, "driver": gpu and gpu.driver}
    return {**found, **counts, "gpu_throttle_reasons_at_start": throttled}


def _torch_builds() -> dict[str, str | None]:
    """Returns PyTorch's CUDA version and the installed cuDNN version, without importing PyTorch."""
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        return {"cuda": None, "cudnn": None}
    cuda = runpy.run_path(str(Path(spec.origin).with_name("version.py")))["cuda"]
    cudnn = _version(f"nvidia-cudnn-cu{cuda.partition('.')[0]}") if cuda else None
    return {"cuda": cuda, "cudnn": cudnn}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str, **variables: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | variables)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
