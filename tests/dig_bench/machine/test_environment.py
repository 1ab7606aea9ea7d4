"""The environment is flat, complete, and found without PyTorch; git says whether the code was changed."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dig_bench import __version__
from dig_bench.machine import environment
from dig_bench.machine.environment import MACHINE_KEYS, describe, git_state


def test_it_is_flat_and_survives_json() -> None:
    found = describe("cpu")
    assert json.loads(json.dumps(found)) == found
    assert all(value is None or isinstance(value, str | int | float) for value in found.values())


def test_versions_are_those_that_run() -> None:
    found = describe("cpu")
    assert found["dig_bench"] == __version__
    assert found["torch"] == torch.__version__
    assert found["cuda"] == torch.version.cuda


def test_what_makes_another_machine_is_described() -> None:
    assert set(MACHINE_KEYS) <= describe("cuda").keys()
    assert not any("git" in key for key in MACHINE_KEYS)


def test_no_host_name_and_no_gpu_on_a_cpu() -> None:
    found = describe("cpu")
    assert (found["gpu_name"], found["gpu_count"], found["driver"]) == (None, None, None)
    assert not any("host" in key for key in found)


def test_pytorch_is_not_imported() -> None:
    script = (
        "import sys; from dig_bench.machine.environment import describe; describe('cuda'); "
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


def test_the_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(
        name="a GPU",
        count=2,
        driver="580.1",
        memory_total_mib=80_000,
        memory_used_mib=10,
        num_processes=1,
        power_limit_w=700.0,
        sm_clock_max_mhz=1980,
        throttle_reasons=lambda: ("sw_power_cap",),
    )
    monkeypatch.setattr(environment, "open_gpu", lambda: gpu)
    found = describe("cuda")
    assert (found["gpu_name"], found["gpu_count"], found["power_limit_w"]) == ("a GPU", 2, 700.0)
    assert (found["gpu_processes_at_start"], found["gpu_throttle_reasons_at_start"]) == (1, "sw_power_cap")


def test_git_says_whether_the_code_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    code = tmp_path / "dig_bench" / "machine" / "environment.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    monkeypatch.setattr(environment, "__file__", str(code))
    assert git_state() == {"git_revision": None, "git_dirty": None, "git_trees": None}
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    state = git_state()
    assert len(state["git_revision"]) == 40
    assert state["git_dirty"] is False
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "rows.csv").write_text("")
    assert git_state()["git_dirty"] is False
    assert git_state()["git_trees"] == state["git_trees"]
    code.write_text("changed")
    (code.parent / "new.py").write_text("")
    changed = git_state()
    assert changed["git_dirty"] is True
    status = git("status", "--porcelain", "--", "dig_bench").splitlines()
    assert status == ["M dig_bench/machine/environment.py", "?? dig_bench/machine/new.py"]
    git("add", ".")
    git("commit", "-m", "second")
    assert [state["git_trees"], changed["git_trees"]] == [
        f"dig_bench {git('rev-parse', f'{revision}:dig_bench')}" for revision in ("HEAD~", "HEAD")
    ]
