"""DiG: leaving tokens in place gives the same network as the published flips and transposes."""

import pytest
import torch
from torch import Tensor

from dig_models import DiG, DiGConfig, UDiG, UDiGConfig
from dig_models.layers.scan_order import DepthwiseConv, ScanOrder
from helpers import moved


def config(**changes: int | bool) -> DiGConfig:
    sizes = {"latent_size": 6, "patch_size": 2, "width": 64, "depth": 4, "num_heads": 1, "num_classes": 10}
    return DiGConfig(**(sizes | changes))


def inputs(latent_size: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(batch, 4, latent_size, latent_size, generator=generator)
    return latent, torch.arange(batch) * 300 + 7, torch.arange(batch) % 10


def mix_by_moving_tokens(model: DiG, x_BTD: Tensor, condition_BD: Tensor, grid: tuple[int, int]) -> Tensor:
    """Runs the published procedure: flips the tokens after each block, transposes them after every second."""
    depth, skips = model.config.depth, []
    for index, (block, modulation_BM) in enumerate(
        zip(model.blocks, model.modulations(condition_BD, list(model.blocks)), strict=True)
    ):
        skip = skips.pop() if model.config.skip and index > depth // 2 else None
        x_BTD = block(x_BTD, modulation_BM, grid, ScanOrder.ROWS, skip).flip(1)
        if index % 2 == 1:
            x_BTD = x_BTD.unflatten(1, grid).transpose(1, 2).flatten(1, 2)
        if model.config.skip and index < depth // 2 - 1:
            skips.append(x_BTD)
    return x_BTD


@pytest.mark.parametrize(
    ("depth", "skip"), [(1, False), (2, False), (3, False), (4, False), (7, False), (4, True), (6, True), (8, True)]
)
def test_tokens_in_place_equal_the_published_flips(depth: int, skip: bool) -> None:
    model = moved(DiG(config(depth=depth, skip=skip, latent_size=10), backend="reference"))
    x_BTD, condition_BD = torch.randn(2, 25, 64), torch.randn(2, 64)
    expected = mix_by_moving_tokens(model, x_BTD, condition_BD, (5, 5))
    torch.testing.assert_close(model.mix(x_BTD, condition_BD, (5, 5)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("order", list(ScanOrder))
def test_unscan_undoes_scan_on_a_grid_that_is_not_square(order: ScanOrder) -> None:
    x_BTD = torch.arange(2 * 15 * 3.0).view(2, 15, 3)
    assert torch.equal(order.unscan(order.scan(x_BTD, (3, 5)), (3, 5)), x_BTD)


def test_the_four_orders_scan_rows_and_columns_both_ways() -> None:
    tokens = torch.arange(6.0).view(1, 6, 1)
    walks = [order.scan(tokens, (2, 3)).flatten().tolist() for order in ScanOrder]
    assert walks == [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0, 3, 1, 4, 2, 5], [5, 2, 4, 1, 3, 0]]


@pytest.mark.parametrize("order", list(ScanOrder))
def test_rotated_weights_equal_a_rotated_image(order: ScanOrder) -> None:
    conv, gate_BD, x_BTD, y_BTD = moved(DepthwiseConv(4)), torch.randn(2, 4), *torch.randn(2, 2, 25, 4)
    scanned = order.scan(x_BTD, (5, 5)), gate_BD, order.scan(y_BTD, (5, 5))
    expected = order.unscan(conv(*scanned, (5, 5), ScanOrder.ROWS), (5, 5))
    torch.testing.assert_close(conv(x_BTD, gate_BD, y_BTD, (5, 5), order), expected)


@pytest.mark.parametrize("latent_size", [2, 6, 20])
def test_chunked_equals_reference_on_odd_grids(latent_size: int) -> None:
    reference = moved(DiG(config(latent_size=latent_size, skip=True), backend="reference"))
    chunked = DiG(config(latent_size=latent_size, skip=True), backend="chunked").eval()
    chunked.load_state_dict(reference.state_dict())
    torch.testing.assert_close(chunked(*inputs(latent_size)), reference(*inputs(latent_size)), rtol=1e-4, atol=1e-4)


def test_odd_depth_with_skips_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be odd"):
        config(depth=5, skip=True)


def test_u_dig_runs_on_grids_that_do_not_halve_evenly() -> None:
    sizes = {"patch_size": 1, "width": 64, "inner_widths": (64, 128), "depth": 5, "num_classes": 10}
    model = moved(UDiG(UDiGConfig(latent_size=7, **sizes), backend="chunked"))
    output = model(*inputs(7))
    assert output.shape == (2, 8, 7, 7)
    assert output.isfinite().all()


def test_u_dig_refuses_a_depth_that_is_not_a_multiple_of_five() -> None:
    with pytest.raises(ValueError, match="multiple of 5"):
        UDiGConfig(latent_size=8, patch_size=1, width=64, inner_widths=(64, 64), depth=12)
