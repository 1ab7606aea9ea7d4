"""Choice of the device that a run uses."""

from __future__ import annotations

import os
import re

import torch


def choose(device: str) -> str:
    """Returns the device type of `auto`, `cpu`, `cuda` or `cuda:N`. Raises ValueError for anything else.

    `cuda:N` hides the other GPUs from this process and its workers, which then see one GPU, number 0.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    numbered = re.fullmatch(r"cuda:(\d{1,3})", device, re.ASCII)
    if numbered:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        index = int(numbered[1])
        gpus = visible.split(",") if visible is not None else [str(each) for each in range(index + 1)]
        if index >= len(gpus):
            raise ValueError(f"--device {device}: CUDA_VISIBLE_DEVICES={visible} shows {len(gpus)} GPUs")
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[index]
        return "cuda"
    if device not in ("cpu", "cuda"):
        raise ValueError(f"--device takes auto, cpu, cuda or cuda:N, not {device!r}")
    return device


def require(device_type: str, *, otherwise: str = "or use --device cpu") -> None:
    """Raises ValueError, which ends in the alternative, if PyTorch has no such device."""
    if device_type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"PyTorch finds no CUDA GPU: run `dig-bench doctor`, {otherwise}")
