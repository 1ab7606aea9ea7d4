"""Compiles every kernel for a Hopper GPU in both precisions: Triton's interpreter accepts what its compiler refuses."""

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


def test_every_kernel_compiles(pytestconfig: pytest.Config) -> None:
    paths = [ROOT, ROOT / "models", ROOT / "tests" / "support"]
    # Triton's cache is keyed by the source: a kernel that has changed is compiled again.
    assert pytestconfig.cache is not None
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "0",
        "TRITON_CACHE_DIR": str(pytestconfig.cache.mkdir("triton")),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    program = ROOT / "tests" / "support" / "compile_kernels.py"
    ran = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    compiled = set(ran.stdout.splitlines())
    # States are always fp32. The GEMM with SwiGLU in its epilogue takes two-byte types only.
    expected = {f"bf16 {name}" for name in KERNELS - {"scan_states_kernel"}}
    expected |= {f"fp32 {name}" for name in KERNELS - {"linear_swiglu_kernel"}}
    assert compiled == expected
    assert len(KERNELS) > 10
