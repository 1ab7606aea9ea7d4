"""The sweep of `dig-bench reproduce`."""

from dataclasses import replace
from pathlib import Path

from claim_rows import assessed, timed
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.reproduce import cells, make


def test_the_cells_are_exactly_those_that_the_claims_need(tmp_path: Path) -> None:
    wanted = cells(("fused",), processes=3)
    rows = [
        replace(timed(cell.name, cell.resolution_px, 10.0 + index), **cell.as_dict())
        for index, cell in enumerate(wanted)
    ]
    found = assessed(tmp_path, rows)
    used = set()
    for judgement in found.judgements:
        assert judgement.closest
        assert judgement.closest.departures == ("DiG with this suite's own kernels",)
        for finding in judgement.findings:
            pxs = [px for px, _ in getattr(finding.measured, "curve", ())] or [judgement.claim.resolution_px]
            names = (finding.ours.name, finding.theirs)
            used |= {(name, px, finding.ours.mode) for name in names for px in pxs}
    assert used == {(cell.name, cell.resolution_px, cell.mode) for cell in wanted}
    for judgement in found.judgements[:4]:
        assert judgement.closest
        assert isinstance(judgement.closest.measured, Ratio)
        assert judgement.closest.measured.processes == (3, 3)


def test_another_backend_makes_another_sweep() -> None:
    assert make().name == "reproduce"
    both = make(("fused", "fla"))
    assert both.name != "reproduce"
    assert {cell.backend for cell in both.cells if cell.model.startswith("DiG")} == {"fused", "fla"}
    assert len({cell.worker for cell in both.cells}) < len(both.cells)
