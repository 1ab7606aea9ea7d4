"""--only takes terms over the fields of a cell, and nothing else."""

import pytest

from dig_bench.cell import Cell
from dig_bench.plan.filter import parse_filter

CELL = Cell(model="DiG-S/2", backend="fla", resolution_px=1024, precision="bf16", device="cuda")


@pytest.mark.parametrize(
    "text",
    [
        "model=DiG-*",
        "model=DiG-* and resolution_px<=1024 and precision=bf16",
        "model = DiG-S/2 , resolution_px>=1024",
        "backend!=flash2",
        "resolution_px>512,resolution_px<2048",
        "batch_size=1  and  process!=2",
        "execution=e*",
    ],
)
def test_a_cell_that_meets_all_terms_passes(text: str) -> None:
    assert parse_filter(text)(CELL)


@pytest.mark.parametrize(
    "text",
    [
        "model=DiT-*",
        "model=dig-*",
        "model=DiG-* and resolution_px<1024",
        "backend!=f*",
        "batch_size>1",
        "mode=train",
        "resolution_px!=1024",
    ],
)
def test_a_cell_that_misses_a_term_does_not_pass(text: str) -> None:
    assert not parse_filter(text)(CELL)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "takes terms"),
        ("model", "takes terms"),
        ("model=", "takes terms"),
        ("model==DiG", "takes terms"),
        ("model=DiG-S/2 and", "takes terms"),
        ("resolution=256", "did you mean resolution_px"),
        ("series=x", "no field"),
        ("model<DiG", "is text"),
        ("resolution_px=2*", "whole number"),
        ("resolution_px=1e3", "whole number"),
        ("precision=fp23", "did you mean fp32"),
        ("__class__=x", "no field"),
        ("__import__('os').system('touch hacked')", "takes terms"),
        ("resolution_px<=__import__('os').getpid()", "whole number"),
        ("resolution_px<=9**9**9", "whole number"),
        ("model=a or model=b", "takes terms"),
    ],
)
def test_a_malformed_term_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_filter(text)
    assert "\n" not in str(refused.value)
