"""`dig-bench claims` and `dig-bench reproduce`: exit codes, files, hostile and extreme results."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from claim_rows import assessed, judged, timed
from dig_bench.cell import Row
from dig_bench.claims.assessment import Assessment, assess
from dig_bench.claims.output import SUFFIXES, render, terminal, words
from dig_bench.claims.output.curves import curves
from dig_bench.claims.output.forests import MAX_FINDINGS
from dig_bench.claims.ratios import Ratio
from dig_bench.claims.reproduce import make
from dig_bench.run import orchestrate
from harness import HOSTILE, Elements, Run
from report_rows import RESOLUTIONS_PX, row, write_results

pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:Glyph")]

DIT_CROSS = ("DiT-S/2@math", 2048)


def teaser_rows(precisions: Sequence[str] = ("tf32",), resolutions_px: Sequence[int] = RESOLUTIONS_PX) -> list[Row]:
    """Rows of the claims and the figure about S/2."""
    return [
        row(name, px, mode="train", precision=precision, status="oom" if (name, px) == DIT_CROSS else "ok")
        for precision in precisions
        for name in ("DiG-S/2@fla", "DiT-S/2@math", "DiS-S/2@mamba-ssm")
        for px in resolutions_px
    ]


def all_rows() -> list[Row]:
    names = ("DiG-XL/2@fla", "DiT-XL/2@flash2", "DiT-XL/2@math", "DiS-XL/2@mamba-ssm")
    return [*teaser_rows(("tf32", "bf16")), *(row(name, px, mode="forward") for name in names for px in (1024, 2048))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, str]:
    """All claims judged, and their page."""
    assessment = assess([write_results(tmp_path_factory.mktemp("whole") / "results", all_rows())])
    return assessment, render(assessment, ".html")


def shown(assessment: Assessment) -> str:
    console = Console(file=io.StringIO(), width=300, force_terminal=False)
    console.print(terminal.render(assessment))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_format_states_claim_measurement_and_verdict(whole: tuple[Assessment, str]) -> None:
    assessment, page = whole
    texts = {suffix: render(assessment, suffix) for suffix in (".md", ".json")}
    texts |= {".html": page, "terminal": shown(assessment)}
    assert {*SUFFIXES, "terminal"} == texts.keys()
    for name, text in texts.items():
        for judgement in assessment.judgements:
            assert judgement.claim.text in text, name
            assert judgement.closest
            if name != ".json":
                assert words.measured(judgement.claim, judgement.closest) in text, name
        assert "disagrees with itself" in text, name
        assert "states neither the GPU" in text, name
    for text in (texts[".md"], texts["terminal"], texts[".html"]):
        assert "10 %" in text
        assert words.headline(assessment) in text
    content = json.loads(texts[".json"])
    assert content["tolerance"] == 0.1
    assert [each["verdict"] for each in content["claims"]] == [each.verdict for each in assessment.judgements]
    assert content["claims"][0]["closest"]["conditions"]["precision"] == "tf32"
    assert content["claims"][4]["closest"]["measured"]["curve"][0]["resolution_px"] == 256
    assert {panel["figure"] for panel in content["figures"]} == {"teaser", "size"}


def test_every_ratio_of_few_processes_is_labelled_in_every_format(whole: tuple[Assessment, str]) -> None:
    assessment, page = whole
    findings = [finding for judgement in assessment.judgements for finding in judgement.findings]
    assert {finding.measured.processes for finding in findings if isinstance(finding.measured, Ratio)} == {(1, 1)}
    for text in (page, shown(assessment), render(assessment, ".md")):
        assert text.count("one process") >= len(findings)
    content = json.loads(render(assessment, ".json"))
    labels = [each["processes"] for claim in content["claims"] for each in (claim["closest"], *claim["others"])]
    assert set(labels) == {"one process", "one process at each resolution"}


def test_one_side_alone_at_the_power_limit_is_named_in_every_format(tmp_path: Path) -> None:
    capped = {"timing_throttle_reasons": "sw_power_cap"}
    rows = [replace(each, **capped) if each.model == "DiT-S/2" else each for each in teaser_rows()]
    assessment = assess([write_results(tmp_path / "results", rows)])
    speed, *_, start = assessment.judgements
    assert speed.closest
    assert start.closest
    assert words.power(speed.closest) == "DiT-S/2@math at the power limit, DiG-S/2@fla not"
    assert words.power(start.closest).startswith("one side alone at the power limit at 256, 512")
    for text in (render(assessment, ".html"), shown(assessment), render(assessment, ".md")):
        assert "at the power limit" in text
    assert json.loads(render(assessment, ".json"))["claims"][0]["closest"]["power_limit"] == words.power(speed.closest)
    assert not words.power(assess([write_results(tmp_path / "free", teaser_rows())]).judgements[0].findings[0])


@pytest.mark.parametrize(
    ("latencies", "text"),
    [
        ({256: 20.0, 512: 5.0, 1024: 2.0}, "faster from 512 px on"),
        ({256: 20.0, 512: 10.0, 1024: 2.0}, "faster from 1024 px on, perhaps from 512 px on"),
        ({256: 2.0, 512: 2.0, 1024: 20.0}, "slower at 1024 px, the largest resolution measured"),
        ({256: 2.0, 512: 10.0, 1024: 10.0}, "indistinguishable at 512, 1024 px: a crossover is not settled"),
        ({256: 20.0, 1024: 2.0}, "faster from 1024 px on; not measured at 512, 768, 1280, 1536, 1792 px"),
        ({256: 20.0}, "slower at 256 px, the largest resolution measured; not measured at 512, 768"),
    ],
)
def test_a_crossover_says_nothing_of_what_was_not_measured(
    latencies: dict[int, float], text: str, tmp_path: Path
) -> None:
    rows = [timed("DiG-S/2@fla", px, ms, 0.01) for px, ms in latencies.items()]
    rows += [timed("DiT-S/2@math", px, 10.0, 0.01) for px in latencies]
    judgement = judged(assessed(tmp_path, rows), "crossover-512")
    finding = next(each for each in judgement.findings if each.theirs == "DiT-S/2@math")
    assert text in words.value(judgement.claim, finding.measured)
    assert "never" not in words.measured(judgement.claim, finding)


def test_the_page_draws_each_claim_and_both_figures(whole: tuple[Assessment, str]) -> None:
    _, page = whole
    for name in ("claim-speed-1792", "claim-crossover-512", "figure-teaser-speedup", "figure-teaser-memory-ratio"):
        assert f'<figure id="{name}">' in page
    assert '<figure id="figure-size-1024">' in page
    assert "paper: DiT-S/2@math" in page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    """One page shows all texts: drawing one for each takes long."""
    folders = []
    # A table with NUL bytes is refused.
    for number, text in enumerate(each.replace("\0", "") for each in HOSTILE):
        hostile = [
            replace(each, backend=text if each.model == "DiT-S/2" else each.backend, device_name=text, kernels=text)
            for each in teaser_rows(resolutions_px=(1024, 1792))
        ]
        environment = {"gpu_name": text, "git_revision": text, "git_dirty": True}
        folders.append(write_results(tmp_path / str(number), hostile, **environment))
        (axes,) = next(curves(assess(folders[-1:]))).figure.axes
        assert axes.get_title(loc="left").replace("\n", " ").isprintable()
    assessment = assess(folders)
    assert len({finding.theirs for finding in assessment.judgements[0].findings[:MAX_FINDINGS]}) == len(HOSTILE)
    elements = Elements(render(assessment, ".html"))
    assert elements.scripts == 1
    assert not elements.attributes & {"onmouseover", "onerror"}
    assert len(json.loads(render(assessment, ".json"))["results"]) == len(HOSTILE)
    printed = shown(assessment)
    assert "\x1b" not in printed + render(assessment, ".md")
    assert "::error::" not in printed


@pytest.mark.parametrize("values", [(0.0, -1.0), (1e308, 5e-324), (float("inf"), float("nan"))])
def test_extreme_values_end_in_a_page(values: tuple[float, float], tmp_path: Path) -> None:
    folders = []
    sound = teaser_rows(resolutions_px=(256, 512, 1024, 1792))
    columns = ("latency_ms_median", "latency_ms_ci_low", "latency_ms_ci_high", "peak_allocated_mib")
    for column, value in product(columns, values):
        extreme = [replace(each, **{column: value}) if each.model == "DiT-S/2" else each for each in sound]
        folders.append(write_results(tmp_path / f"{column}-{value}", extreme, driver=f"{column}-{value}"))
        # The page below draws all findings, but the curves of the first folder only.
        affected = "memory-ratio" if column == "peak_allocated_mib" else "speedup"
        if len(folders) > 1:
            plots = (plot for plot in curves(assess(folders[-1:])) if plot.name.endswith(affected))
            if plot := next(plots, None):
                plot.figure.draw_without_rendering()
    assessment = assess(folders)
    json.loads(render(assessment, ".json"))
    assert shown(assessment)
    assert "</html>" in render(assessment, ".html")


def test_results_without_any_claim_make_a_page(tmp_path: Path) -> None:
    assessment = assess([write_results(tmp_path / "results", [row("U-DiG-S/2@fla", 256)])])
    assert assessment.is_empty
    assert "No point of either figure was measured" in render(assessment, ".html")
    assert "5 claims: 5 not measured" in shown(assessment)


def test_exit_codes_and_files(tmp_path: Path, dig_bench: Run) -> None:
    write_results(tmp_path / "results", teaser_rows())
    write_results(tmp_path / "others", [row("U-DiG-S/2@fla", 256)])
    ran = dig_bench("claims", "results", "--output", "claims.md", "--output", "claims.html", "--output", "claims.json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-3:] == ["claims.md", "claims.html", "claims.json"]
    assert (tmp_path / "claims.md").read_text(encoding="utf-8").startswith("### The paper's claims: ")
    nothing = {
        "others": [row("U-DiG-S/2@fla", 256)],
        "empty": [],
        "one side": [each for each in teaser_rows() if each.model == "DiG-S/2"],
        "failed": [row("DiG-S/2@fla", 1792, mode="train", precision="tf32", status="crashed")],
        "other attention only": [timed(name, 1792, 10.0) for name in ("DiG-S/2@fla", "DiT-S/2@flash2")],
        "claimed resolution missing": [timed(name, 256, 10.0) for name in ("DiG-S/2@fla", "DiT-S/2@math")],
        "throttled": [
            timed(name, 1024, 10.0, status="throttled", mode="forward", precision="bf16")
            for name in ("DiG-XL/2@fla", "DiS-XL/2@mamba-ssm")
        ],
    }
    for name, rows in nothing.items():
        write_results(tmp_path / name, rows)
        ran = dig_bench("claims", name)
        assert (ran.code, "5 claims: 5 not measured." in ran.out) == (5, True), name
    for arguments, complaint in (
        (["claims", "results", "--output", "claims.pdf"], "ends in .md, .json, .html"),
        (["claims", "results", "--output", "nowhere/claims.md"], "no such folder: 'nowhere'"),
        (["claims", "results", "--tolerance", "1.5"], "share from 0 to 1"),
        (["claims", "results", "results"], "given twice"),
        (["claims", "nowhere"], "nowhere"),
        (["claims"], "Missing argument"),
        (["reproduce", "--device", "cpu"], "about a GPU"),
        (["reproduce", "--backend", "fusd"], "did you mean fused?"),
        (["reproduce", "--processes", "0"], "--processes"),
        (["reproduce", "--output", "claims.pdf"], ".html"),
    ):
        ran = dig_bench(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert complaint in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_tolerance_decides_what_is_reproduced(tmp_path: Path, dig_bench: Run) -> None:
    found = [
        row("DiG-S/2@fla", 1792, mode="train", precision="tf32"),
        row("DiT-S/2@math", 1792, mode="train", precision="tf32", status="ok"),
    ]
    ours = found[0].latency_ms_median or 0
    scaled = {"latency_ms_median": 2.0 * ours, "latency_ms_ci_low": 1.99 * ours, "latency_ms_ci_high": 2.01 * ours}
    write_results(tmp_path / "results", [found[0], replace(found[1], **scaled)])
    verdicts = []
    for tolerance in ("0.1", "0.2", "0.25"):
        dig_bench("claims", "results", "--tolerance", tolerance, "--output", "claims.json")
        content = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
        verdicts.append(content["claims"][0]["verdict"])
    assert verdicts == ["not reproduced", "undecided", "reproduced"]


def test_a_plan_lists_the_cells_and_writes_nothing(tmp_path: Path, dig_bench: Run) -> None:
    ran = dig_bench("reproduce", "--plan")
    assert ran.code == 0
    sweep_ = make()
    for cell in sweep_.cells:
        assert f"{cell}  " in ran.out
    assert f"{len(sweep_.cells)} cells in" in ran.out
    assert list(tmp_path.iterdir()) == []


def test_reproduce_measures_judges_and_prints(tmp_path: Path, dig_bench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in measures, since there is no GPU here."""
    asked = {}

    def run(sweep_, folder, **options):  # type: ignore[no-untyped-def]
        asked.update(sweep=sweep_, **options)
        found = [replace(row(cell.name, cell.resolution_px, status="ok"), **cell.as_dict()) for cell in sweep_.cells]
        return write_results(folder, found), found

    monkeypatch.setattr(orchestrate, "run", run)
    monkeypatch.setattr("dig_bench.machine.devices.require", lambda device, otherwise: None)
    ran = dig_bench("reproduce", "--out", "out", "--output", "claims.json")
    assert (ran.code, ran.err) == (0, "")
    assert asked["sweep"] == make()
    assert asked["resume"] is True
    assert len(json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["claims"]) == 5
    assert "not measured" not in ran.out.splitlines()[-2]
