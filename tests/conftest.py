"""Tests that need a GPU or a browser are skipped without one, and say so."""

import os
import shutil
import tempfile

import pytest
import torch

# Before anything imports dig_bench: whoever else measures on this machine is not waited for.
os.environ["DIG_BENCH_LOCKS"] = tempfile.mkdtemp(prefix="dig-bench-locks-")

if not torch.cuda.is_available():
    # Before anything imports Triton: its interpreter takes the GPU's place.
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = {}
    if not torch.cuda.is_available():
        missing["gpu"] = "needs a CUDA GPU"
    if shutil.which("chromium") is None:
        missing["browser"] = "needs Chromium (the command chromium)"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
