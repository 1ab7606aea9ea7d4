"""A git repository whose revisions are fake suites: they answer like the real one, at once, with made-up values.

A revision may know fewer fields, models and columns than this code, or more.
"""

import os
import subprocess
from pathlib import Path

LOG = "FAKE_SUITE_LOG"
"""Environment variable with the path of a file to which every process appends `LATENCY process N`."""

_FILES = {
    "dig_bench/__init__.py": '__version__ = "0.0.7"\n',
    "dig_bench/cell.py": """
from dataclasses import dataclass

@dataclass
class Cell:
    model: str
    backend: str
    resolution_px: int
    batch_size: int = 1
    mode: str = "forward"
    precision: str = "fp32"
    execution: str = "eager"
    device: str = "cpu"
    process: int = 1
""",
    "dig_bench/protocol.py": """
from dataclasses import dataclass

@dataclass
class Protocol:
    timeout_s: float = 600.0
    min_samples: int = 6
    a_field_of_its_own: int = 1
""",
    "dig_bench/plan/__init__.py": "",
    "dig_bench/run/__init__.py": "",
    "dig_bench/plan/plugins.py": "def load(files): pass\n",
    "dig_bench/run/worker.py": f"""
import json, os, sys
from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
from dig_bench.speed import LATENCY_MS

with os.fdopen(int(sys.argv[1]), "w") as replies:
    print(json.dumps({{"ready": True}}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        Protocol(**request["protocol"])
        cell = Cell(**request["cell"])
        with open(os.environ["{LOG}"], "a") as log:
            print(f"{{LATENCY_MS:g}} process {{cell.process}}", file=log)
        noise = 0.001 * (cell.process * 7 % 5 - 2)
        found = {{"status": "ok", "latency_ms_median": LATENCY_MS * (1 + noise), "device_name": "a CPU"}}
        row = {{**vars(cell), **found, "a_column_of_its_own": 1}}
        result = {{"row": row, "samples": {{"latency_ms": [LATENCY_MS]}}}}
        print(json.dumps({{"result": result}}), file=replies, flush=True)
""",
    "models/dig_models/__init__.py": """
from dig_bench.speed import MODELS

class Model:
    class architecture:
        backends = {"chunked": {}}

CATALOG = {name: Model for name in MODELS}
""",
}


def write(repository: Path, *, latency_ms: float = 10.0, models: tuple[str, ...] = ("DiG-S/2", "DiT-S/2")) -> None:
    """Writes a suite into the working tree."""
    for name, text in _FILES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    speed = f"LATENCY_MS = {latency_ms}\nMODELS = {models!r}\n"
    (repository / "dig_bench" / "speed.py").write_text(speed, encoding="utf-8")


def commit(repository: Path, tag: str) -> str:
    """Commits the whole working tree under a tag. Returns the revision."""
    if not (repository / ".git").exists():
        git(repository, "init", "-q")
    git(repository, "add", "--all")
    git(repository, "commit", "-q", "-m", tag)
    git(repository, "tag", tag)
    return git(repository, "rev-parse", "HEAD")


def git(repository: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{what}": "nobody@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **who}).stdout.strip()
