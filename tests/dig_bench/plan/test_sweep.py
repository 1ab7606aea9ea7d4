"""Presets and options -> cells, their order, and what makes a sweep the same sweep."""

import json
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from dig_bench.plan.presets import COMPILED_BACKENDS, PRESETS
from dig_bench.plan.sweep import default_folder, make
from dig_bench.protocol import Protocol
from dig_models import CATALOG

TWO_MODELS = {"models": ("DiG-S/2", "DiT-S/2"), "resolutions_px": (256, 512)}


def every_preset() -> list[tuple[str, str]]:
    return [(name, device) for name, preset in PRESETS.items() for device in preset.axes]


# `backends` shows what cannot run as well.
@pytest.mark.parametrize(("preset", "device"), [pair for pair in every_preset() if pair[0] != "backends"])
def test_presets_plan_only_what_their_kernels_support(preset: str, device: str) -> None:
    for cell in make(device=device, preset=preset).cells:
        architecture = CATALOG[cell.model].architecture
        for operation, name in architecture.backends[cell.backend].items():
            implementation = architecture.operations[operation].implementations[name]
            assert cell.device in implementation.devices
            assert cell.precision in implementation.precisions
            assert cell.mode in implementation.modes


@pytest.mark.parametrize(("preset", "device"), every_preset())
def test_workers_are_visited_once_and_resolutions_ascend(preset: str, device: str) -> None:
    cells = make(device=device, preset=preset, processes=2).cells
    assert len(set(cells)) == len(cells)
    visits = [(worker, list(group)) for worker, group in groupby(cells, key=lambda cell: cell.worker)]
    assert len({worker for worker, _ in visits}) == len(visits)
    for _, group in visits:
        resolutions_px = [cell.resolution_px for cell in group]
        assert resolutions_px == sorted(resolutions_px)


def test_the_demo_has_all_four_families() -> None:
    cells = make(device="cpu").cells
    assert {cell.name for cell in cells} == {"DiG-S/2@chunked", "DiT-S/2@sdpa", "DiS-S/2@chunked", "U-DiG-S/2@chunked"}
    assert {cell.resolution_px for cell in cells} == {256, 512}
    assert len(cells) == 8


def test_paper_resolution_is_the_teaser_figure() -> None:
    cells = set(make(device="cuda", preset="paper-resolution").cells)
    assert {cell.resolution_px for cell in cells} == set(range(256, 2049, 256))
    in_fp32 = {cell for cell in cells if cell.precision == "tf32"}
    assert {(cell.mode, cell.execution, cell.batch_size) for cell in in_fp32} == {("train", "graph", 1)}
    assert {cell.name for cell in in_fp32} == {"DiG-S/2@fla", "DiG-S/2@fused", "DiT-S/2@math", "DiS-S/2@mamba-ssm"}
    forward, train = 11 * 8 * 2, 9 * 8
    compiled = [cell for cell in cells if cell.is_compiled]
    assert len(compiled) == 5 * 4 * 2
    assert len(cells) == forward + train + len(in_fp32) + len(compiled)


@pytest.mark.parametrize("preset", ["quick", "paper-resolution", "paper-size", "fused"])
def test_presets_compile_their_baselines_and_show_both_fused_backends_of_dit(preset: str) -> None:
    cells = make(device="cuda", preset=preset).cells
    in_graphs = [cell for cell in cells if cell.execution == "graph" and cell.precision == "bf16"]
    compiled = {cell.name for cell in cells if cell.execution == "compile-graph"}
    assert compiled == {cell.name for cell in in_graphs if cell.backend in COMPILED_BACKENDS}
    fused = {cell.name for cell in cells if cell.backend.startswith("fused") and cell.model.startswith("DiT")}
    assert {name + "-flash3" for name in fused if name.endswith("@fused")} <= fused


def test_paper_size_has_every_size_of_every_backend() -> None:
    cells = make(device="cuda", preset="paper-size").cells
    assert len({cell.name for cell in cells}) == 9 * 4
    assert {cell.mode for cell in cells} == {"forward"}


def test_a_preset_for_a_gpu_says_so_on_a_cpu() -> None:
    with pytest.raises(ValueError, match="paper-size is for cuda, not cpu: take --preset demo"):
        make(device="cpu", preset="paper-size")


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean quick"):
        make(device="cpu", preset="quik")


def test_options_take_the_place_of_the_presets_axes() -> None:
    made = make(device="cuda", preset="paper-resolution", axes={"models": ("DiG-S/2",), "resolutions_px": (512,)})
    assert {(cell.name, cell.resolution_px) for cell in made.cells} == {("DiG-S/2@fla", 512)}
    assert {cell.precision for cell in made.cells} == {"bf16", "tf32"}


def test_only_filters_and_refuses_to_leave_nothing() -> None:
    made = make(device="cpu", axes=TWO_MODELS, only="model=DiT-* and resolution_px>256")
    assert [(cell.model, cell.resolution_px) for cell in made.cells] == [("DiT-S/2", 512)]
    with pytest.raises(ValueError, match="leaves no cell"):
        make(device="cpu", axes=TWO_MODELS, only="resolution_px>512")


def test_processes_go_round_all_models_before_they_repeat() -> None:
    cells = make(device="cpu", axes=TWO_MODELS, processes=2).cells
    assert [(cell.process, cell.model) for cell in cells[::2]] == [
        (1, "DiG-S/2"),
        (1, "DiT-S/2"),
        (2, "DiG-S/2"),
        (2, "DiT-S/2"),
    ]


@pytest.mark.parametrize("processes", [0, -1])
def test_processes_are_counted_from_one(processes: int) -> None:
    with pytest.raises(ValueError, match="--processes"):
        make(device="cpu", processes=processes)


def test_given_protocol_options_win_over_the_presets() -> None:
    assert make(device="cpu", preset="demo").protocol != Protocol()
    given = make(device="cpu", preset="demo", protocol={"max_samples": 7, "timeout_s": None})
    assert given.protocol.max_samples == 7
    assert given.protocol.timeout_s == Protocol().timeout_s


def test_the_demos_caps_hold_for_the_demo_alone() -> None:
    assert make(device="cpu").protocol == make(device="cpu", preset="demo").protocol
    assert make(device="cpu", axes=TWO_MODELS).protocol == Protocol()


def test_a_changed_sweep_has_a_name_of_its_own_and_keeps_it() -> None:
    plain, changed = make(device="cpu", preset="demo"), make(device="cpu", preset="demo", axes=TWO_MODELS)
    assert plain.name == "demo"
    assert changed.name.startswith("demo-")
    assert changed.name == make(device="cpu", preset="demo", axes=TWO_MODELS).name
    assert changed.name != make(device="cpu", preset="demo", axes=TWO_MODELS | {"batch_sizes": (2,)}).name


def test_the_spec_survives_json_and_tells_sweeps_apart() -> None:
    one, other = make(device="cpu", axes=TWO_MODELS), make(device="cpu", axes=TWO_MODELS, only="model=DiG-*")
    assert json.loads(json.dumps(one.spec())) == one.spec()
    assert one.spec() != other.spec()
    assert one.spec()["protocol.max_samples"] == one.protocol.max_samples


def test_only_a_sweep_that_samples_is_told_apart_by_how_it_samples() -> None:
    sampler = {"sampler_steps": 20}
    for mode, differs in (("forward", False), ("sample", True)):
        axes = {"models": ("DiG-S/2",), "modes": (mode,)}
        one, other = (make(device="cpu", axes=axes, protocol=protocol) for protocol in ({}, sampler))
        assert (one.spec() != other.spec()) is differs


def test_cells_that_share_every_axis_are_told_apart_all_the_same() -> None:
    whole = make(device="cpu", axes=TWO_MODELS)
    diagonal = replace(whole, cells=(whole.cells[0], whole.cells[-1]))
    differing = {key for key, value in whole.spec().items() if diagonal.spec()[key] != value}
    assert differing == {"which_cells"}


def test_an_edited_plugin_makes_another_sweep(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    specs = []
    for text in ("BACKBONES = {}", "BACKBONES = {}  # edited", "BACKBONES = {}"):
        plugin.write_text(text, encoding="utf-8")
        specs.append(make(device="cpu", plugins=[str(plugin)]).spec())
    assert specs[0] == specs[2] != specs[1]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"gpu_name": "NVIDIA H100 80GB HBM3", "cpu": "AMD"}, "results/h100-80gb-hbm3/demo"),
        (
            {"gpu_name": None, "cpu": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"},
            "results/intel-xeon-platinum-8481c/demo",
        ),
        ({"cpu": "../../etc"}, "results/etc/demo"),
        ({}, "results/cpu/demo"),
    ],
)
def test_results_lie_under_the_machines_name(environment: dict[str, str], folder: str) -> None:
    assert default_folder(make(device="cpu"), environment).as_posix() == folder
