"""The points of the paper's figures beside measured ones."""

import math
from pathlib import Path

import pytest

from claim_rows import assessed
from dig_bench import paper
from report_rows import row, sweep


def test_each_point_has_the_paper_s_values_and_the_measured_ones(tmp_path: Path) -> None:
    rows = sweep(models=("DiG-S/2@fused", "DiT-S/2@math"), precisions=("tf32",))
    size = {"mode": "forward", "precision": "bf16"}
    rows += [row(name, px, **size) for name in ("DiG-XL/2@fused", "DiT-XL/2@flash2") for px in (1024, 2048)]
    found = assessed(tmp_path, rows)
    # The last one is what the training rows have for the model-size figure.
    teaser, of_size, _ = found.panels
    assert [panel.figure for panel in found.panels] == ["teaser", "size", "size"]
    assert len(teaser.points) == len(paper.speed_memory())
    assert len(of_size.points) == len(paper.scaling())
    shown = {(point.name, point.resolution_px): point for point in (*of_size.points, *teaser.points)}
    point = shown["DiT-S/2@math", 512]
    assert point.paper.speedup == pytest.approx(math.exp(4.85 - 4.69))
    assert point.paper.memory_ratio == pytest.approx(5.07 / 4.64)
    ours, theirs = (
        next(row for row in rows if (row.name, row.resolution_px) == (name, 512))
        for name in ("DiG-S/2@fused", "DiT-S/2@math")
    )
    assert point.measured.images_per_s == pytest.approx(theirs.images_per_s)
    assert point.measured.speedup == pytest.approx((ours.images_per_s or 0) / (theirs.images_per_s or 1))
    assert shown["DiT-S/2@math", 2048].status == "oom"
    assert shown["DiT-S/2@math", 2048].paper.images_per_s is None
    assert shown["DiS-S/2@mamba-ssm", 256].status == "missing"
    assert shown["DiT-XL/2@flash2", 2048].paper.speedup == pytest.approx(3.91 / 2.19)
