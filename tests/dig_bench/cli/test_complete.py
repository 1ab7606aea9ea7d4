"""Values of options complete in the shell."""

import os
import subprocess
import sys

import pytest

from dig_bench.cli import complete
from dig_bench.plan.presets import PRESETS
from dig_bench.results.metrics import METRICS


@pytest.mark.parametrize(
    ("function", "incomplete", "expected"),
    [
        (complete.modes, "t", ["train"]),
        (complete.modes, "forward,", ["forward,forward", "forward,train", "forward,sample"]),
        (complete.precisions, "bf16,fp", ["bf16,fp32", "bf16,fp16"]),
        (complete.executions, "g", ["graph"]),
        (complete.devices, "c", ["cpu", "cuda"]),
        (complete.metrics, "", list(METRICS)),
        (complete.samplers, "dd", ["ddpm", "ddim"]),
        (complete.models, "DiG-XL/8-s", ["DiG-XL/8-skip"]),
        (complete.models, "DiT-S/2@fl", ["DiT-S/2@flash2", "DiT-S/2@flash3"]),
        (complete.models, "DiG-S/2,DiT-S/2@m", ["DiG-S/2,DiT-S/2@math"]),
        (complete.models, "nothing@", []),
    ],
)
def test_values_complete(function: complete.Complete, incomplete: str, expected: list[str]) -> None:
    assert function(incomplete) == expected


def test_a_whole_name_offers_its_backends() -> None:
    found = complete.models("DiG-S/2")
    assert {"DiG-S/2", "DiG-S/2@fla", "DiG-S/2@fused", "DiG-S/2-skip"} <= set(found)


def test_presets_complete_with_their_summaries() -> None:
    assert complete.presets("paper-s") == [("paper-size", PRESETS["paper-size"].summary)]


def test_bash_completes_a_preset_without_importing_torch() -> None:
    environment = os.environ | {
        "_DIG_BENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "dig-bench sweep --preset paper-",
        "COMP_CWORD": "3",
    }
    code = (
        "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
        "sys.argv = ['dig-bench']\n"
        "from dig_bench.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.split() == ["paper-resolution", "paper-size"]
    assert ran.stderr.split() == ["False"]
