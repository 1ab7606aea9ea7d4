"""Tests that need a GPU or a browser are skipped without one, and say so."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness import Run, run_command

# One thread per process, here and in those that tests start: they run side by side, and waiting threads spin.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

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


@pytest.fixture(autouse=True)
def _no_plugin_outlives_its_test() -> Iterator[None]:
    from dig_models import CATALOG

    before = dict(CATALOG)
    yield
    if before != CATALOG:
        CATALOG.clear()
        CATALOG.update(before)


@pytest.fixture
def dig_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, run in this process from an empty folder. Its workers are processes of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return run_command
