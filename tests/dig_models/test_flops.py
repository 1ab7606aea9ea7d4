"""FLOPs by component: equal to torch.utils.flop_counter plus what it cannot see, and to the published values."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dig_models import DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, UDiG, UDiGConfig, build

SIZES = {"latent_size": 8, "patch_size": 2, "width": 64, "depth": 4, "num_classes": 10}
NETWORKS = {
    "DiT": lambda: DiT(DiTConfig(**SIZES, num_heads=2), backend="math"),
    "DiG": lambda: DiG(DiGConfig(**SIZES, num_heads=1), backend="reference"),
    "DiG-skip": lambda: DiG(DiGConfig(**SIZES, num_heads=1, skip=True), backend="reference"),
    "DiS": lambda: DiS(DiSConfig(**SIZES), backend="reference"),
    "U-DiG": lambda: UDiG(UDiGConfig(**(SIZES | {"depth": 5}), inner_widths=(64, 128)), backend="reference"),
    "U-DiG, odd grid": lambda: UDiG(
        UDiGConfig(**(SIZES | {"depth": 5, "latent_size": 10}), inner_widths=(64, 128)), backend="reference"
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_flops_equal_the_counter_of_pytorch_for_components_that_it_sees(name: str, batch_size: int) -> None:
    model = NETWORKS[name]().eval()
    size = model.config.latent_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.randn(batch_size, 4, size, size), torch.zeros(batch_size).long(), torch.zeros(batch_size).long())
    components = model.flops(batch_size).by_component
    seen = sum(flops for component, flops in components.items() if component not in model.uncounted)
    assert seen == counter.get_total_flops()
    assert all(components[component] > 0 for component in model.uncounted)


def gmacs(name: str, backend: str) -> dict[str, float]:
    model = build(name, image_size=256, backend=backend, device="meta")
    return {component: flops / 2e9 for component, flops in model.flops(1).by_component.items()}


@pytest.mark.parametrize(
    ("name", "published"), [("DiT-S/2", 6.06), ("DiT-B/2", 23.01), ("DiT-L/2", 80.71), ("DiT-XL/2", 118.64)]
)
def test_flops_of_dit_equal_the_published_ones(name: str, published: float) -> None:
    assert sum(gmacs(name, "math").values()) == pytest.approx(published, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "published"), [("DiG-S/2", 4.30), ("DiG-B/2", 17.07), ("DiG-L/2", 61.66), ("DiG-XL/2", 89.40)]
)
def test_published_flops_of_dig_leave_out_the_down_projection_and_the_recurrence(name: str, published: float) -> None:
    components = gmacs(name, "reference")
    down_projection = components["mlp"] / 3
    seen = sum(components.values()) - down_projection - components["mixer_core"]
    assert seen == pytest.approx(published, rel=6e-3)
    assert sum(components.values()) > 1.25 * published
