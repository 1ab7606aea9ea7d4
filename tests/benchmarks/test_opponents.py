"""benchmarks/opponents on a CPU: the published procedures equal this project's networks; a dry run of the program."""

import csv
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

FOLDER = Path(__file__).parents[2] / "benchmarks" / "opponents"


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.parametrize("family", ["DiG", "DiS"])
def test_published_procedures_compute_what_this_projects_networks_do(family: str) -> None:
    import published_dig
    import published_dis
    from contenders import Size

    size = Size(name="S", resolution_px=96, width=64, depth=4)
    network = size.build(family, "chunked", precision="fp32", device="cpu")
    module = {"DiG": published_dig, "DiS": published_dis}[family]
    published = getattr(module, f"Published{family}")(network, module.Kernels.plain())
    inputs = torch.randn(2, 4, 12, 12), torch.tensor([7, 300]), torch.tensor([1, 2])
    torch.testing.assert_close(published(*inputs), network(*inputs), rtol=1e-4, atol=1e-5)


def test_a_dry_run_writes_a_row_for_each_contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import contenders
    import measure

    monkeypatch.setattr(measure.environment, "describe", lambda device: {"torch": torch.__version__})
    monkeypatch.setattr(measure, "TINY", contenders.Size(name="S", resolution_px=32, width=64, depth=2))
    output = tmp_path / "opponents.csv"
    arguments = ("--device", "cpu", "--tiny", "--turns", "2", "--seconds", "0", "--output", str(output))
    monkeypatch.setattr(sys, "argv", ["measure.py", *arguments])
    measure.main()
    rows = list(csv.DictReader(output.open()))
    assert [row["family"] for row in rows] == ["DiG", "DiG", "DiT", "DiT", "DiS", "DiS", "DiS"]
    assert [row["is_ours"] for row in rows] == ["True", "False"] * 3 + ["True"]
    for row in rows:
        assert row["missing"] == ""
        assert 0 < float(row["latency_ms_ci_low"]) <= float(row["latency_ms_median"])
        assert len(row["turns_ms_median"].split()) == 2
        assert bool(row["kernels"]) == (row["is_ours"] == "True")
    assert [row["difference"] != "" for row in rows] == [False, True, False, False, False, True, True]
    assert all(float(row["difference"]) < 1e-4 for row in rows if row["difference"])


def test_contenders_that_cannot_run_say_why() -> None:
    import contenders
    import measure

    settings = measure.Settings(device="cpu", turns=1, seconds=0)
    absent = [each for each in contenders.contenders("cuda") if each.name.endswith(("@fla", "on fla"))]
    assert len(absent) == 2
    assert [bool(each.missing) for each in absent] == [not torch.cuda.is_available()] * len(absent)
    (row, *_) = measure.side_by_side(
        [contenders.Contender(family="DiG", name="broken", is_ours=False, build=lambda *_: 1 / 0)],
        measure.TINY,
        "eager",
        settings,
    )
    assert row["missing"] == "ZeroDivisionError: division by zero"
