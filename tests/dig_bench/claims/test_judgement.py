"""The paper's claims: what counts as what, under which conditions, and what is said without anything to judge by."""

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from dig_bench import paper
from dig_bench.cell import Row
from dig_bench.claims.assessment import Assessment, assess
from dig_bench.claims.conditions import Conditions
from dig_bench.claims.judgement import Judgement, claims
from dig_bench.claims.measured import Ratio, memory_ratio, speed_ratio
from dig_bench.claims.needed import cells
from dig_bench.claims.verdict import Verdict, crossover, of_crossover, of_ratio
from dig_bench.compare.evidence import Evidence
from dig_bench.results.store import StoreError
from report_rows import row, sweep, write_results

H100 = Path(__file__).parents[3] / "results" / "h100-80gb-hbm3"


def ratio(value: float, low: float | None = None, high: float | None = None) -> Ratio:
    low, high = low or value, high or value
    return Ratio(value=value, low=low, high=high, evidence="processes", processes=(3, 3))


def judged(assessment: Assessment, claim_id: str) -> Judgement:
    return next(judgement for judgement in assessment.judgements if judgement.claim.id == claim_id)


def timed(name: str, px: int, latency_ms: float, width: float = 0.0, **fields: object) -> Row:
    """A training row whose median is known to +- width, a share of it."""
    ends = {"latency_ms_ci_low": latency_ms / (1 + width), "latency_ms_ci_high": latency_ms * (1 + width)}
    fixed = {"mode": "train", "precision": "tf32", "status": "ok", **fields}
    return row(name, px, latency_ms_median=latency_ms, **{**ends, **fixed})  # type: ignore[arg-type]


def assessed(folder: Path, rows: Iterable[Row]) -> Assessment:
    return assess([write_results(folder / "results", rows)])


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (ratio(2.5, 2.4, 2.6), "reproduced"),
        (ratio(2.3, 2.26, 2.34), "reproduced"),
        (ratio(2.7, 2.6, 2.9), "reproduced"),
        (ratio(3.0, 2.76, 3.2), "exceeded"),
        (ratio(2.0, 1.9, 2.2), "not reproduced"),
        (ratio(2.3, 2.2, 2.4), "undecided"),
        (ratio(3.0, 1e-9, math.inf), "undecided"),
        (ratio(math.nan), "undecided"),
    ],
)
def test_a_claimed_ratio_of_2_5_with_ten_per_cent_of_tolerance(found: Ratio, verdict: Verdict) -> None:
    assert of_ratio(2.5, found, 0.1) == verdict


SLOWER, UNSURE, FASTER = ratio(0.8, 0.7, 0.9), ratio(1.0, 0.9, 1.1), ratio(1.3, 1.2, 1.4)


@pytest.mark.parametrize(
    ("curve", "verdict", "value"),
    [
        ({256: SLOWER, 512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({256: UNSURE, 512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({512: FASTER, 1024: FASTER}, "reproduced", 512),
        ({256: FASTER, 512: FASTER, 1024: FASTER}, "exceeded", 256),
        ({256: SLOWER, 512: SLOWER, 1024: FASTER}, "not reproduced", 1024),
        ({256: FASTER, 512: FASTER, 1024: SLOWER}, "not reproduced", math.inf),
        ({1024: SLOWER}, "not reproduced", math.inf),
        ({256: SLOWER, 512: UNSURE, 1024: FASTER}, "undecided", 1024),
        ({256: SLOWER, 768: FASTER, 1024: FASTER}, "not measured", 768),
        ({256: SLOWER, 512: FASTER}, "not measured", 512),
        ({256: FASTER}, "not measured", 256),
    ],
)
def test_a_claimed_crossover_at_512_px(curve: dict[int, Ratio], verdict: Verdict, value: float) -> None:
    found = crossover(list(curve.items()))
    assert (of_crossover(512, found), found.value) == (verdict, value)


def test_the_intervals_say_how_early_and_how_late_a_crossover_may_be() -> None:
    found = crossover([(256, SLOWER), (512, UNSURE), (768, UNSURE), (1024, FASTER)])
    assert (found.low, found.value, found.high) == (512, 1024, 1024)
    assert crossover([(256, UNSURE), (512, UNSURE)]).high == math.inf


def pair(ours: Iterable[Row], theirs: Iterable[Row]) -> tuple[Evidence, list]:
    processes = Evidence.of([*ours, *theirs])
    return processes, sorted(processes.rows, key=lambda key: key.model)


def test_few_processes_are_judged_by_the_calls_within_them_many_by_their_spread() -> None:
    ours = [timed("DiG-S/2@fla", 1792, 10.0, 0.03, process=process) for process in (1, 2, 3)]
    theirs = [timed("DiT-S/2@math", 1792, 25.0 * (1 + process / 1e3), 0.04, process=process) for process in (1, 2, 3)]
    processes, keys = pair(ours[:1], theirs)
    few = speed_ratio(processes, *keys)
    processes, keys = pair(ours, theirs)
    many = speed_ratio(processes, *keys)
    assert few
    assert many
    assert (few.evidence, few.processes) == ("calls", (1, 3))
    assert (many.evidence, many.processes) == ("processes", (3, 3))
    assert few.value == pytest.approx(2.505, rel=1e-3)
    # The intervals of the two medians in quadrature, and of theirs the hull of three.
    assert math.log(few.high / few.value) == pytest.approx(math.hypot(math.log(1.03), math.log(1.041)), rel=0.01)
    assert few.low < many.low < many.value < many.high < few.high


def test_the_interval_of_calls_holds_the_true_ratio_as_often_as_it_says() -> None:
    """Medians with an error of 1 and 2 per cent, known with intervals of 1.96 times that."""
    numbers = random.Random(5)
    held = 0
    for _ in range(2000):
        rows = []
        for name, true_ms, sd in (("DiG-S/2@fla", 10.0, 0.01), ("DiT-S/2@math", 25.0, 0.02)):
            median = true_ms * math.exp(numbers.gauss(0, sd))
            rows.append(timed(name, 1792, median, math.expm1(1.96 * sd)))
        processes, keys = pair(rows[:1], rows[1:])
        found = speed_ratio(processes, *keys)
        assert found
        held += found.low <= 2.5 <= found.high
    assert 0.935 < held / 2000 < 0.965


def test_a_median_without_an_interval_decides_nothing(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0, latency_ms_ci_low=None), timed("DiT-S/2@math", 1792, 90.0)]
    found = judged(assessed(tmp_path, rows), "speed-1792")
    assert found.verdict == "undecided"
    assert found.closest
    assert found.closest.measured.value == pytest.approx(9.0)


def test_throttled_rows_lend_no_speed_but_memory(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0), timed("DiT-S/2@math", 1792, 90.0, status="throttled")]
    found = assessed(tmp_path, rows)
    assert judged(found, "speed-1792").verdict == "not measured"
    assert judged(found, "speed-1792").missing == ("DiT-S/2@math at 1792 px: throttled",)
    assert judged(found, "memory-1792").verdict != "not measured"


def test_memory_has_the_range_of_its_processes() -> None:
    ours = [timed("DiG-S/2@fla", 1792, 10.0, peak_allocated_mib=mib, process=n) for n, mib in ((1, 100.0), (2, 101.0))]
    theirs = [timed("DiT-S/2@math", 1792, 10.0, peak_allocated_mib=400.0)]
    processes, keys = pair(ours, theirs)
    found = memory_ratio(processes, *keys)
    assert found
    assert (found.low, found.high) == (pytest.approx(400 / 101), pytest.approx(4.0))


def test_a_memory_saving_is_judged_as_a_ratio_of_memories(tmp_path: Path) -> None:
    def of(mib: float) -> Verdict:
        rows = [
            timed("DiG-S/2@fla", 1792, 10.0, peak_allocated_mib=100.0),
            timed("DiT-S/2@math", 1792, 10.0, peak_allocated_mib=mib),
        ]
        return judged(assessed(tmp_path / str(mib), rows), "memory-1792").verdict

    # 75.7 % less is 4.115 times as little.
    assert [of(450.0), of(460.0), of(380.0), of(360.0)] == ["reproduced", "exceeded", "reproduced", "not reproduced"]


def test_the_condition_nearest_to_the_paper_s_decides_and_the_others_are_kept(tmp_path: Path) -> None:
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
    order = [(each.conditions.precision, each.conditions.mode, each.conditions.ours) for each in found.findings]
    assert order[:3] == [
        ("tf32", "train", "DiG-S/2@fla"),
        ("tf32", "train", "DiG-S/2@fused"),
        ("fp32", "train", "DiG-S/2@fla"),
    ]
    assert found.findings[-1].conditions.execution == "eager"
    assert found.closest is found.findings[0]
    assert found.closest.departures == ()
    assert found.closest.measured.value == pytest.approx(5.0)
    assert found.verdict == "exceeded"
    assert len(found.others) == 9
    assert found.others[-1].departures == (
        "forward (the figure: probably train)",
        "bf16 (the figure: probably tf32 or fp32)",
        "DiG by this suite's own kernels",
        "launched eagerly, the host's time is in it",
    )


def test_another_attention_is_shown_and_judges_no_claim(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@fla", 1792, 10.0), timed("DiT-S/2@flash2", 1792, 90.0)]
    found = judged(assessed(tmp_path, rows), "speed-1792")
    assert found.verdict == "not measured"
    assert found.missing == ("no row of DiT-S/2@math at 1792 px",)
    (other,) = found.others
    assert (other.verdict, other.departures) == ("exceeded", ("against DiT-S/2@flash2",))


def test_a_reference_is_no_contender(tmp_path: Path) -> None:
    rows = [timed("DiG-S/2@reference", 1792, 1000.0), timed("DiT-S/2@math", 1792, 90.0)]
    assert judged(assessed(tmp_path, rows), "speed-1792").findings == ()


def test_rows_that_differ_in_batch_mode_or_precision_are_no_pair(tmp_path: Path) -> None:
    for number, change in enumerate(({"batch_size": 8}, {"mode": "forward"}, {"precision": "bf16"}, {"device": "cpu"})):
        rows = [timed("DiG-S/2@fla", 1792, 10.0, **change), timed("DiT-S/2@math", 1792, 90.0)]
        assert judged(assessed(tmp_path / str(number), rows), "speed-1792").findings == ()


def test_out_of_memory_is_why_there_is_nothing_to_judge_by(tmp_path: Path) -> None:
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
    assert any("disagrees with itself" in note for note in found.notes_on(judgement))


def test_results_of_one_machine_are_one_and_of_two_are_not_mixed(tmp_path: Path) -> None:
    ours, theirs = [timed("DiG-S/2@fla", 1792, 10.0)], [timed("DiT-S/2@math", 1792, 90.0)]
    folders = [
        write_results(tmp_path / "a", ours, driver="580"),
        write_results(tmp_path / "b", theirs, driver="580"),
        write_results(tmp_path / "c", theirs, driver="590"),
    ]
    assert judged(assess(folders[:2]), "speed-1792").verdict == "exceeded"
    assert judged(assess([folders[0], folders[2]]), "speed-1792").verdict == "not measured"
    bare = tmp_path / "bare.csv"
    bare.write_bytes((folders[1] / "rows.csv").read_bytes())
    assert judged(assess([folders[0], bare]), "speed-1792").verdict == "not measured"


def test_a_cell_in_two_folders_has_the_processes_of_both(tmp_path: Path) -> None:
    folders = [
        write_results(tmp_path / name, [timed("DiG-S/2@fla", 1792, ms), timed("DiT-S/2@math", 1792, 9 * ms)])
        for name, ms in (("a", 10.0), ("b", 10.1), ("c", 9.9))
    ]
    found = judged(assess(folders), "speed-1792")
    assert found.closest
    assert isinstance(found.closest.measured, Ratio)
    assert found.closest.measured.processes == (3, 3)


def test_the_points_of_both_figures_stand_beside_the_paper_s(tmp_path: Path) -> None:
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


def test_what_the_committed_measurements_say() -> None:
    found = assess([H100 / "paper-resolution", H100 / "paper-size"])
    speed, memory, mamba, flash, start = found.judgements
    assert len(found.machines) == 1
    values = []
    for judgement in (speed, memory, start):
        assert judgement.closest
        assert judgement.closest.departures == ()
        assert judgement.closest.conditions.pair == "DiG-S/2@fla to DiT-S/2@math"
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
    assert mamba.closest.conditions.pair == "DiG-XL/2@fla to DiS-XL/2@mamba-ssm"
    assert flash.closest.conditions.pair == "DiG-XL/2@fla to DiT-XL/2@flash2"
    assert any("4.09 GB" in note for note in found.notes_on(memory))


def test_a_folder_of_results_is_all_of_them(tmp_path: Path) -> None:
    slow, fast = timed("DiT-S/2@math", 1792, 20.0), timed("DiG-S/2@fla", 1792, 5.0)
    folders = [write_results(tmp_path / name, [row]) for name, row in (("a", slow), ("b", fast))]
    assert assess([tmp_path]).judgements == assess(folders).judgements
    with pytest.raises(ValueError, match="given twice"):
        assess([tmp_path, folders[0]])
    # Under another name, and as a copy, they are no further processes either.
    with pytest.raises(ValueError, match="given twice"):
        assess([folders[0], folders[0] / "rows.csv"])


def test_what_is_wrong_with_the_results_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        assess([tmp_path / "nowhere"])
    folder = write_results(tmp_path / "results", [timed("DiG-S/2@fla", 1792, 10.0)])
    with pytest.raises(ValueError, match="given twice"):
        assess([folder, tmp_path / "results" / ".." / "results"])
    with pytest.raises(ValueError, match="share"):
        assess([folder], tolerance=1.0)
    assert not assess([folder]).result_notes
    write_results(folder, [], git_dirty=True)
    dirty = assess([folder])
    assert dirty.is_empty
    assert any("uncommitted" in note for note in dirty.result_notes)


def test_the_cells_of_reproduce_are_all_that_the_claims_need_and_no_more(tmp_path: Path) -> None:
    wanted = cells(("fused",), processes=3)
    rows = [
        replace(timed(cell.name, cell.resolution_px, 10.0 + index), **cell.as_dict())
        for index, cell in enumerate(wanted)
    ]
    found = assessed(tmp_path, rows)
    used = set()
    for judgement in found.judgements:
        assert judgement.closest
        assert judgement.closest.departures == ("DiG by this suite's own kernels",)
        for finding in judgement.findings:
            pxs = [px for px, _ in getattr(finding.measured, "curve", ())] or [judgement.claim.resolution_px]
            names = (finding.conditions.ours, finding.conditions.theirs)
            used |= {(name, px, finding.conditions.mode) for name in names for px in pxs}
    assert used == {(cell.name, cell.resolution_px, cell.mode) for cell in wanted}
    for judgement in found.judgements[:4]:
        assert judgement.closest
        assert isinstance(judgement.closest.measured, Ratio)
        assert judgement.closest.measured.processes == (3, 3)


def test_conditions_that_nobody_knows_are_the_farthest() -> None:
    cell = row("DiG-S/2@somebody-s", 256, mode="train", precision="tf32").cell
    conditions = Conditions.of(cell, "DiT-S/2@math", device_name="", source="")
    assert conditions.departures("teaser", "DiT-S/2@math") == ["DiG by its backend somebody-s"]
    published = replace(conditions, ours="DiG-S/2@fla")
    assert published.distance("teaser", "DiT-S/2@math") < conditions.distance("teaser", "DiT-S/2@math")
