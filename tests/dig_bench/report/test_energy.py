"""Energy in a report: joules, power and their product with latency, and nothing where no row has any."""

from dataclasses import replace

import pytest

from dig_bench.cell import Row
from dig_bench.render.plot import Plot
from dig_bench.render.style import Look
from dig_bench.report import tables
from dig_bench.report.figures import Context, energy
from dig_bench.report.panels import panels
from dig_bench.report.prepare import prepare
from report_rows import frame, row, sweep


def drawn(rows: list[Row]) -> list[Plot]:
    data = prepare(frame(rows))
    (panel,) = panels(data)
    return energy.draw(panel, Context(data=data, look=Look(data)))


def test_energy_delay_is_joules_per_image_times_the_seconds_of_a_call() -> None:
    of_two = replace(
        row("DiG-S/2@fla", 256, batch_size=2), latency_ms_median=40.0, energy_j_per_image=3.0, power_w_mean=150.0
    )
    found = tables.energy(prepare(frame([of_two])))
    assert {name: points["value"].item() for name, points in found.items()} == pytest.approx(
        {"energy": 3.0, "power": 150.0, "energy-delay": 0.12}
    )


def test_each_quantity_has_a_figure_and_a_table() -> None:
    plots = drawn(sweep(models=("DiG-S/2@fla", "DiT-S/2@math"), resolutions_px=(256, 1024, 2048)))
    assert [(plot.title, plot.unit) for plot in plots] == [
        ("Energy per image", "J per image"),
        ("Average power", "W"),
        ("Energy-delay product", "J·s"),
    ]
    for plot in plots:
        assert list(plot.table.columns) == ["DiG-S/2@fla", "DiT-S/2@math"]
        assert plot.table.loc["2048 px", "DiT-S/2@math"] == "out of memory"
    assert set(plots[1].table["DiG-S/2@fla"]) == {"450"}


@pytest.mark.parametrize("power_w", [None, float("nan"), -1.0])
def test_rows_without_energy_have_no_figure(power_w: float | None) -> None:
    assert drawn([replace(row("DiG-S/2@fla", 256), energy_j_per_image=None, power_w_mean=power_w)]) == []
