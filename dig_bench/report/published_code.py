"""Comparison of the rows with the published code's latency for the same step, and with the compute bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dig_bench import paper
from dig_bench.render.numbers import MISSING, significant
from dig_bench.render.text import count

ROOFLINE = "roofline.json"
"""Stored roofline of a machine, in the folder that holds the machine's results. Read as plain JSON, because the module
that writes it needs PyTorch and a report does not."""

COLUMNS = ("network", "step", "published code", "same backend here", "@fused here", "compute bound")

OURS = "fused"
_STEP = ["model", "resolution_px", "batch_size", "mode", "precision", "execution", "device_name"]


def beside_published_code(data: pd.DataFrame, results: Path) -> list[tuple[str, ...]]:
    """Returns a line of COLUMNS, in ms, for each latency of the published code whose step is among prepared rows.

    The compute bound is the exact FLOPs per step divided by the rate of a large GEMM, which `dig-bench roofline` stored
    beside the results for the rows' device; without that file it is missing.
    """
    return list(_lines(data[data["is_measured"]], _tflops(results.resolve().parent / ROOFLINE)))


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
            f"{published['mode']}, {published['resolution_px']} px, {count(images, 'image')}",
            f"{significant(published['latency_ms'])} @{published['backend']}",
            _step_ms(by_backend.get(published["backend"])),
            _step_ms(by_backend.get(OURS)),
            significant(gflops / rate) if rate else MISSING,
        )


def _step_ms(row: Any) -> str:
    """Returns a row's latency and its status if not `ok`; training without the optimiser, like the published code's."""
    if row is None:
        return MISSING
    is_training = row["mode"] == "train"
    step_ms = row["forward_ms_median"] + row["backward_ms_median"] if is_training else row["latency_ms_median"]
    return significant(step_ms) + (f" ({row['status']})" if row["status"] != "ok" else "")


def _tflops(path: Path) -> dict[tuple[str, str], float]:
    """Returns TFLOP/s by device and precision; nothing for a missing file or one of another format."""
    try:
        found = json.loads(path.read_bytes())
        return {
            (str(found["device_name"]), precision): float(measured["median"])
            for precision, measured in found["gemm"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
