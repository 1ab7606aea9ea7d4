"""Panels: which rows share a figure, in which order, under which label."""

from dataclasses import replace

from dig_bench.report.panels import panels
from dig_bench.report.prepare import prepare
from report_rows import MANIFEST, frame, processes, row, sweep


def test_the_first_panel_has_the_most_families_then_training_then_the_graph() -> None:
    rows = sweep(modes=("forward", "train"), executions=("eager", "graph"), resolutions_px=(256,))
    rows += sweep(models=("DiG-S/2@fla",), modes=("train",), precisions=("fp32",), resolutions_px=(256,))
    labels = [panel.conditions for panel in panels(prepare(frame(rows)))]
    assert labels[0] == "train · bf16 · CUDA graph · batch 1 · test data, no device"
    assert labels[-1] == "train · fp32 · CUDA graph · batch 1 · test data, no device"
    assert len(labels) == 5


def test_a_panel_of_curves_comes_before_one_of_single_points() -> None:
    rows = sweep(modes=("forward",), resolutions_px=(256, 512, 1024)) + sweep(modes=("train",), resolutions_px=(256,))
    assert [panel.key.mode for panel in panels(prepare(frame(rows)))] == ["forward", "train"]


def test_points_of_several_models_at_a_resolution_each_make_no_curve() -> None:
    models = ("DiG-S/2@fla", "DiG-S/2@chunked", "DiG-S/2@reference")
    rows = [
        each
        for model, px in zip(models, (256, 512, 1024), strict=True)
        for each in sweep((model,), modes=("forward",), resolutions_px=(px,))
    ]
    rows += sweep(models[:1], modes=("train",), resolutions_px=(256,))
    assert [panel.key.mode for panel in panels(prepare(frame(rows)))] == ["train", "forward"]


def test_curves_over_resolution_are_of_the_sizes_that_were_swept_over_it() -> None:
    rows = sweep(models=("DiG-S/2@fla", "MyNet@ours"), resolutions_px=(256, 512, 1024))
    rows += sweep(models=("DiG-XL/2@fla",), resolutions_px=(1024, 2048))
    (panel,) = panels(prepare(frame(rows)))
    (part,) = panel.by_size()
    assert part.size == "S/2"
    assert set(part.rows["name"]) == {"DiG-S/2@fla", "MyNet@ours"}


def test_of_sizes_at_few_resolutions_the_smallest_and_the_largest_have_curves() -> None:
    models = [f"DiG-{size}/2@fla" for size in ("XL", "L", "B", "S")]
    data = prepare(frame(sweep(models=models, resolutions_px=(1024, 2048))))
    assert [part.size for panel in panels(data) for part in panel.by_size()] == ["S/2", "XL/2"]


def test_a_label_has_the_size_the_conditions_and_the_device() -> None:
    (panel,) = panels(prepare(frame(sweep(models=("DiG-S/2@fla",), resolutions_px=(256, 512, 1024)))))
    (part,) = panel.by_size()
    assert part.label == "S/2 · train · bf16 · CUDA graph · batch 1 · test data, no device · one process"
    assert part.slug == "train-bf16-graph-b1-cuda-s-2"


def test_a_label_counts_the_processes_however_long_the_device_s_name_is() -> None:
    rows = [*processes([row("DiG-S/2@fla", 256)]), row("DiG-S/2@fla", 512)]
    (panel,) = panels(prepare(frame([replace(each, device_name="x" * 500) for each in rows]), MANIFEST))
    assert panel.label.endswith("… · 1 to 3 processes")


def test_burst_and_sustained_rows_are_in_different_panels_with_the_unmeasured_ones_in_both() -> None:
    rows = [row("DiG-S/2@fla", px) for px in (256, 512)] + [row("DiT-S/2@math", 256, status="oom")]
    rows += [replace(each, state="burst", process=2) for each in rows[:2]]
    sustained, burst = panels(prepare(frame(rows)))
    assert (sustained.slug, burst.slug) == ("forward-bf16-graph-b1-cuda", "forward-bf16-graph-b1-cuda-burst")
    assert "burst" in burst.label
    assert "burst" not in sustained.label
    for panel, state in ((sustained, "sustained"), (burst, "burst")):
        assert set(panel.rows["state"]) == {state, ""}
        assert sorted(panel.rows["name"]) == ["DiG-S/2@fla", "DiG-S/2@fla", "DiT-S/2@math"]
