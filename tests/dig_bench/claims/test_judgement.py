"""The paper's claims, judged under the conditions that were measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from claim_rows import assessed, judged, timed
from dig_bench.claims.assessment import assess
from dig_bench.claims.claim import claims
from dig_bench.claims.conditions import departures, distance
from dig_bench.claims.output import notes
from dig_bench.claims.verdict import Verdict
from report_rows import row

H100 = Path(__file__).parents[3] / "results" / "h100-80gb-hbm3"


def test_a_median_without_an_interval_is_undecided(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0, latency_ms_ci_low=None), timed("DiT-S/2@math", 1792, 90.0)]
    found = judged(assessed(tmp_path, rows), "speed-1792")
    assert found.verdict == "undecided"
    assert found.closest
    assert found.closest.measured.value == pytest.approx(9.0)


def test_throttled_rows_count_for_memory_but_not_for_speed(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0), timed("DiT-S/2@math", 1792, 90.0, status="throttled")]
    found = assessed(tmp_path, rows)
    assert judged(found, "speed-1792").verdict == "not measured"
    assert judged(found, "speed-1792").missing == ("DiT-S/2@math at 1792 px: throttled",)
    assert judged(found, "memory-1792").verdict != "not measured"


def test_a_memory_saving_is_judged_as_a_ratio_of_memories(tmp_path: Path) -> None:
    def of(mib: float) -> Verdict:
        rows = [
            timed("DiG-S/2@fla", 1792, 10.0, peak_allocated_mib=100.0),
            timed("DiT-S/2@math", 1792, 10.0, peak_allocated_mib=mib),
        ]
        return judged(assessed(tmp_path / str(mib), rows), "memory-1792").verdict

    # 75.7 % less is 4.115 times as little.
    assert [of(450.0), of(460.0), of(380.0), of(360.0)] == ["reproduced", "exceeded", "reproduced", "not reproduced"]


def test_the_conditions_nearest_to_the_paper_s_decide(tmp_path: Path) -> None:
    conditions = [
        {"mode": "forward", "precision": "bf16", "execution": "eager"},
        {"mode": "forward", "precision": "bf16"},
        {"precision": "bf16"},
        {"precision": "fp32"},
        {"precision": "tf32"},
    ]
    rows = [
        timed(name, 1792, latency_ms, **each)
        for number, each in enumerate(conditions)
        for name, latency_ms in (("DiG-S/2@fla", 10.0), ("DiG-S/2@fused", 9.0), ("DiT-S/2@math", 10.0 + 10 * number))
    ]
    found = judged(assessed(tmp_path, rows), "speed-1792")
    order = [(each.ours.precision, each.ours.mode, each.ours.name) for each in found.findings]
    assert order[:3] == [
        ("tf32", "train", "DiG-S/2@fla"),
        ("tf32", "train", "DiG-S/2@fused"),
        ("fp32", "train", "DiG-S/2@fla"),
    ]
    assert found.findings[-1].ours.execution == "eager"
    assert found.closest is found.findings[0]
    assert found.closest.departures == ()
    assert found.closest.measured.value == pytest.approx(5.0)
    assert found.verdict == "exceeded"
    assert len(found.others) == 9
    assert found.others[-1].departures == (
        "forward (the figure: probably train)",
        "bf16 (the figure: probably tf32 or fp32)",
        "DiG with this suite's own kernels",
        "eager mode, which includes kernel-launch overhead",
    )


def test_another_attention_backend_is_shown_but_decides_no_claim(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0), timed("DiT-S/2@flash2", 1792, 90.0)]
    found = judged(assessed(tmp_path, rows), "speed-1792")
    assert found.verdict == "not measured"
    assert found.missing == ("no row of DiT-S/2@math at 1792 px",)
    (other,) = found.others
    assert (other.verdict, other.departures) == ("exceeded", ("against DiT-S/2@flash2",))


def test_a_reference_backend_is_not_compared(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@reference", 1792, 1000.0), timed("DiT-S/2@math", 1792, 90.0)]
    assert judged(assessed(tmp_path, rows), "speed-1792").findings == ()


def test_rows_that_differ_in_batch_mode_or_precision_are_no_pair(tmp_path: Path) -> None:
    for number, change in enumerate(({"batch_size": 8}, {"mode": "forward"}, {"precision": "bf16"}, {"device": "cpu"})):
        rows = [timed("DiG-S/2@fla", 1792, 10.0, **change), timed("DiT-S/2@math", 1792, 90.0)]
        assert judged(assessed(tmp_path / str(number), rows), "speed-1792").findings == ()


def test_out_of_memory_is_given_as_the_reason(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0), timed("DiT-S/2@math", 1792, 90.0, status="oom")]
    assert judged(assessed(tmp_path, rows), "speed-1792").missing == ("DiT-S/2@math at 1792 px: oom",)


def test_the_paper_disagrees_with_itself_about_mamba() -> None:
    readings = {claim.id: claim.readings for claim in claims()}
    assert [(reading.against, round(reading.value, 1)) for reading in readings["mamba-1024"]] == [
        ("DiS-XL/2@mamba-ssm", 4.2),
        ("DiS-XL/2@mamba-ssm", 3.6),
        ("DiT-XL/2@math", 4.2),
    ]
    assert [len(readings[name]) for name in ("speed-1792", "memory-1792", "flash-2048")] == [1, 1, 1]


def test_both_readings_of_the_mamba_claim_are_judged(tmp_path: Path) -> None:
    size = {"mode": "forward", "precision": "bf16"}
    rows = [timed("DiG-XL/2@fla", 1024, 10.0, **size), timed("DiS-XL/2@mamba-ssm", 1024, 37.0, **size)]
    found = assessed(tmp_path, rows)
    judgement = judged(found, "mamba-1024")
    assert [finding.verdict for finding in judgement.findings] == ["not reproduced", "reproduced"]
    assert judgement.verdict == "not reproduced"
    assert any("disagrees with itself" in note for note in notes.on_claim(found, judgement))


def test_verdicts_on_the_committed_measurements() -> None:
    found = assess([H100 / "paper-resolution", H100 / "paper-size"])
    speed, memory, mamba, flash, start = found.judgements
    assert len(found.machines) == 1
    values = []
    for judgement in (speed, memory, start):
        assert judgement.closest
        assert judgement.closest.departures == ()
        assert judgement.closest.pair == "DiG-S/2@fla to DiT-S/2@math"
        values.append(judgement.closest.measured.value)
    assert values == pytest.approx([255.47 / 45.157, 58917.9 / 6955.9, 768], rel=1e-3)
    assert [each.verdict for each in found.judgements] == [
        "exceeded",
        "exceeded",
        "reproduced",
        "exceeded",
        "not reproduced",
    ]
    assert mamba.closest
    assert flash.closest
    assert mamba.closest.pair == "DiG-XL/2@fla to DiS-XL/2@mamba-ssm"
    assert flash.closest.pair == "DiG-XL/2@fla to DiT-XL/2@flash2"
    assert any("4.09 GB" in note for note in notes.on_claim(found, memory))


def test_an_unknown_backend_is_farther_from_the_paper_than_the_published_one() -> None:
    ours = row("DiG-S/2@somebody-s", 256, mode="train", precision="tf32").cell.without("resolution_px", "process")
    assert departures(ours, "teaser") == ["DiG with the backend somebody-s"]
    assert distance(replace(ours, backend="fla"), "teaser") < distance(ours, "teaser")
