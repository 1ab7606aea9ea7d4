"""Rows beside what the published code takes for the same step on the same device, and the roof of its products."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dig_bench import paper
from dig_bench.render.numbers import MISSING, significant

ROOFS = "roofline.json"
"""What `dig-bench roofline` keeps of a machine, in the folder that holds the machine's results. Not read by what wrote it,
which needs PyTorch: a report does not."""

COLUMNS = ("network", "step", "published code", "same backend here", "@fused here", "roof of the products")

OURS = "fused"
_STEP = ["model", "resolution_px", "batch_size", "mode", "precision", "execution", "device_name"]


def beside_published_code(data: pd.DataFrame, results: Path) -> list[tuple[str, ...]]:
    """A line, of COLUMNS, for each figure of published code for which prepared rows have the same step, in ms.

    The roof is the step's exact FLOPs at the rate of a large product, as `dig-bench roofline` measured it on the rows'
    device, where its file lies beside the results.
    """
    return list(_lines(data[data["is_measured"]], _tflops(results.resolve().parent / ROOFS)))


def _lines(rows: pd.DataFrame, tflops: dict[tuple[str, str], float]) -> Iterator[tuple[str, ...]]:
    for _, published in paper.published_code().iterrows():
        same = rows[(rows[_STEP] == published[_STEP]).all(axis=1)]
        by_backend = {str(row["backend"]): row for _, row in same.iterrows()}
        if not by_backend.keys() & {published["backend"], OURS}:
            continue
        images = published["batch_size"]
        gflops = images * same["gflops_per_image"].iloc[0]
        rate = tflops.get((published["device_name"], published["precision"]))
        yield (
            published["model"],
            f"{published['mode']}, {published['resolution_px']} px, {images} image{'s' if images > 1 else ''}",
            f"{significant(published['latency_ms'])} @{published['backend']}",
            _step_ms(by_backend.get(published["backend"])),
            _step_ms(by_backend.get(OURS)),
            significant(gflops / rate) if rate else MISSING,
        )


def _step_ms(row: Any) -> str:
    """Of training without the optimiser, as the published code was measured."""
    if row is None:
        return MISSING
    is_training = row["mode"] == "train"
    step_ms = row["forward_ms_median"] + row["backward_ms_median"] if is_training else row["latency_ms_median"]
    return significant(step_ms) + (f" ({row['status']})" if row["status"] != "ok" else "")


def _tflops(path: Path) -> dict[tuple[str, str], float]:
    """By device and precision; empty where there is no such file, or another one of its name."""
    try:
        found = json.loads(path.read_bytes())
        return {
            (str(found["device_name"]), precision): float(measured["median"])
            for precision, measured in found["gemm"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
