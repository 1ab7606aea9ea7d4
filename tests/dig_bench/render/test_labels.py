"""Labels of groups of keys: shared conditions once, the rest beside each key."""

from dataclasses import replace

import pytest

from dig_bench.cell import Cell, Key
from dig_bench.render.labels import beside, one_device, shared

CELL = Cell(model="DiG-S/2", backend="fla", resolution_px=512, precision="bf16", execution="graph", device="cuda")


def test_fields_that_all_keys_agree_in_are_shared() -> None:
    keys = [CELL, replace(CELL, model="DiT-S/2"), replace(CELL, resolution_px=1024)]
    assert shared(keys).label() == "forward · bf16 · CUDA graph · batch 1 · cuda"


def test_one_key_shares_all_but_what_entries_name() -> None:
    assert shared([CELL]) == CELL.without("model", "backend", "resolution_px")
    assert shared([CELL], besides=()) == CELL.without()


def test_no_keys_share_nothing() -> None:
    assert shared([]) == Key()


@pytest.mark.parametrize("change", [{"batch_size": 8}, {"mode": "train"}, {"precision": "fp32"}])
def test_what_differs_is_left_beside_each_key(change: dict[str, str]) -> None:
    other = replace(CELL, **change)
    common = shared([CELL, other])
    assert [beside(each, common) for each in (CELL, other)] == [
        each.only("model", "backend", "resolution_px", *change).label() for each in (CELL, other)
    ]


def test_a_device_is_named_only_where_all_rows_share_it() -> None:
    assert one_device(["NVIDIA H200", "NVIDIA H200"]) == "NVIDIA H200"
    assert one_device(["NVIDIA H200", "NVIDIA H100 80GB HBM3"]) == one_device([]) == ""
