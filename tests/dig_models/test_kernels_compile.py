"""Triton compiles every kernel for a Hopper GPU in both precisions: its interpreter takes what its compiler refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs Triton")

ROOT = Path(__file__).parents[2]
KERNELS = {
    line.split("(")[0].removeprefix("def ")
    for file in (ROOT / "models" / "dig_models" / "kernels").glob("*/*kernel*.py")
    for line in file.read_text().splitlines()
    if line.startswith("def ") and line.split("(")[0].endswith("_kernel")
}


def test_every_kernel_compiles(tmp_path: Path) -> None:
    paths = [ROOT, ROOT / "models", ROOT / "tests" / "support"]
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "0",
        "TRITON_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    program = ROOT / "tests" / "support" / "compile_kernels.py"
    # A precision each, side by side.
    running = [
        subprocess.Popen(
            [sys.executable, program, precision],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for precision in ("bf16", "fp32")
    ]
    outputs = [each.communicate()[0] for each in running]
    for each, output in zip(running, outputs, strict=True):
        assert each.returncode == 0, output[-2000:]
    compiled = {line for output in outputs for line in output.splitlines()}
    # States are fp32 always; that product is for two bytes a number.
    assert {line for line in compiled if line.startswith("bf16")} == {
        f"bf16 {name}" for name in KERNELS - {"scan_states_kernel"}
    }
    assert {line for line in compiled if line.startswith("fp32")} == {
        f"fp32 {name}" for name in KERNELS - {"linear_swiglu_kernel"}
    }
    assert len(KERNELS) > 10
