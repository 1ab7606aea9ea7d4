"""The folder of a parity contest: runs.json, rewritten after every run, and the same as a table in runs.csv."""

from __future__ import annotations

from pathlib import Path

from dig_bench.files import atomic, json_codec
from dig_bench.machine import environment
from dig_bench.parity.results import Results

RUNS, TABLE = "runs.json", "runs.csv"


def write(results: Results, folder: Path) -> None:
    """Writes both files atomically, and creates the folder if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_whole(folder / RUNS, json_codec.dumps(results).encode())
    atomic.write_whole(folder / TABLE, results.table().to_csv(index=False, float_format="%.6g").encode())


def read(folder: Path) -> Results:
    """Reads the results in a folder, or in a runs.json. Raises ValueError if there are none, or if they are broken."""
    path = folder / RUNS if folder.is_dir() else folder
    try:
        return json_codec.build(Results, json_codec.parse(path.read_bytes()))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} holds no parity runs: {error}") from None


def difference(there: Results, here: Results) -> str:
    """Returns the first difference in settings, metric or machine, or an empty text. Runs under different conditions
    cannot be compared."""
    for kind, old, new in (
        ("other settings", there.settings, here.settings),
        ("another metric", {"metric": there.metric}, {"metric": here.metric}),
        ("another machine", there.environment, {key: here.environment.get(key) for key in environment.MACHINE_KEYS}),
    ):
        for key, value in new.items():
            if old.get(key) != value:
                return f"runs of {kind}: {key} is {old.get(key)} there, {value} here"
    return ""
