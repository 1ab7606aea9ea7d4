"""Comparison with the published code: the same step on the same device, and nothing else."""

import json
from pathlib import Path

import pytest

from dig_bench import paper, report
from dig_bench.cell import Row
from dig_bench.render.numbers import MISSING
from dig_bench.report.prepare import prepare
from dig_bench.report.published_code import beside_published_code
from report_rows import frame, row, write_results

H100 = "NVIDIA H100 80GB HBM3"


def of(name: str, px: int, **fields: object) -> Row:
    return row(name, px, **{"device_name": H100, "mode": "forward", **fields})


def lines(rows: list[Row], folder: Path) -> list[tuple[str, ...]]:
    return beside_published_code(prepare(frame(rows)), folder / "sweep")


def test_a_line_has_the_same_backend_and_ours(tmp_path: Path) -> None:
    rows = [
        of("DiG-XL/2@fla", 2048, latency_ms_median=87.83, gflops_per_image=14_000.0),
        of("DiG-XL/2@fused", 2048, latency_ms_median=29.19, gflops_per_image=14_000.0),
    ]
    step = "forward, 2048 px, 1 image"
    assert lines(rows, tmp_path) == [("DiG-XL/2", step, "72.5 @fla", "87.8", "29.2", MISSING)]
    for device, bound in ((H100, "20.0"), ("NVIDIA H200", MISSING)):
        roofline = {"device_name": device, "gemm": {"bf16": {"median": 700.0}}}
        (tmp_path / "roofline.json").write_text(json.dumps(roofline))
        assert lines(rows[1:], tmp_path) == [("DiG-XL/2", step, "72.5 @fla", MISSING, "29.2", bound)]


def test_a_latency_that_is_not_ok_has_its_status(tmp_path: Path) -> None:
    ((*_, here, _bound),) = lines([of("DiG-XL/2@fused", 2048, status="noisy", latency_ms_median=29.19)], tmp_path)
    assert here == "29.2 (noisy)"


@pytest.mark.parametrize("gemm", [None, 1, {"bf16": {}}, {"bf16": 1}, {"bf16": {"median": "fast"}}])
def test_without_a_readable_roofline_there_is_no_compute_bound(tmp_path: Path, gemm: object) -> None:
    for content in ("", "[]", "{}", json.dumps({"device_name": H100, "gemm": gemm})):
        (tmp_path / "roofline.json").write_text(content)
        ((*_, bound),) = lines([of("DiG-XL/2@fused", 2048)], tmp_path)
        assert bound == MISSING


def test_training_is_without_the_optimiser(tmp_path: Path) -> None:
    parts = {"forward_ms_median": 2.5, "backward_ms_median": 7.25, "optimizer_ms_median": 100.0}
    ((*_, here, _bound),) = lines([of("DiG-S/2@fused", 1792, mode="train", **parts)], tmp_path)
    assert here == "9.75"


@pytest.mark.parametrize(
    "other",
    [
        {"device_name": "NVIDIA H200"},
        {"precision": "fp32"},
        {"execution": "eager"},
        {"batch_size": 2},
        {"mode": "train"},
        {"status": "crashed"},
    ],
)
def test_other_conditions_are_left_out(tmp_path: Path, other: dict[str, object]) -> None:
    assert lines([of("DiG-XL/2@fused", 2048, **other)], tmp_path) == []


def test_the_page_has_the_section_only_with_something_to_compare(tmp_path: Path) -> None:
    for device, count in ((H100, 2), ("another", 0)):
        without_energy = of("DiG-XL/2@fused", 2048, device_name=device, energy_j_per_image=None, power_w_mean=None)
        folder = write_results(tmp_path / device.split()[0], [without_energy])
        page, *_ = report.write(folder, out=tmp_path / "pages", name="page")
        assert page.read_text().count('#published"') + page.read_text().count('id="published"') == count


def test_every_published_latency_is_of_a_different_step() -> None:
    found = paper.published_code()
    assert not found.drop(columns=["latency_ms", "peak_gib"]).duplicated().any()
    assert (found["latency_ms"] > 0).all()
