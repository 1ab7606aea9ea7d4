"""DiS: properties of its blocks. test_parity.py compares it with the published network."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from dig_models import DiS, DiSConfig
from dig_models.dis import BidirectionalMamba, DiSBlock
from helpers import moved

CHUNKED = DiS.backends["chunked"]


def config(**changes: int) -> DiSConfig:
    return DiSConfig(**({"latent_size": 6, "patch_size": 2, "width": 40, "depth": 4, "num_classes": 10} | changes))


def inputs(latent_size: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(batch, 4, latent_size, latent_size, generator=generator)
    return latent, torch.arange(batch) * 300 + 7, torch.arange(batch) % 10


def sequence(tokens: int = 21, width: int = 40) -> Tensor:
    return torch.randn(2, tokens, width, generator=torch.Generator().manual_seed(tokens))


@pytest.mark.parametrize(("latent_size", "depth"), [(2, 1), (6, 5), (20, 4)])
def test_chunked_equals_reference_on_odd_grids_and_depths(latent_size: int, depth: int) -> None:
    reference = moved(DiS(config(latent_size=latent_size, depth=depth), backend="reference"))
    chunked = DiS(config(latent_size=latent_size, depth=depth), backend="chunked").eval()
    chunked.load_state_dict(reference.state_dict())
    torch.testing.assert_close(chunked(*inputs(latent_size)), reference(*inputs(latent_size)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("latent_size", "depth", "batch"), [(2, 1, 1), (6, 5, 3)])
def test_flops_equal_the_counter_of_pytorch_at_odd_depths_and_widths(latent_size: int, depth: int, batch: int) -> None:
    model = DiS(config(latent_size=latent_size, depth=depth), backend="reference").eval()
    with FlopCounterMode(display=False) as counter:
        model(*inputs(latent_size, batch))
    components = model.flops(batch).by_component
    assert sum(components.values()) - components["mixer_core"] == counter.get_total_flops()


def test_scan_flops_by_hand() -> None:
    """Counts 5 blocks x 2 scans x (9 + 2) tokens x 80 channels x 16 states x 6 operations x 3 images."""
    assert DiS(config(), backend="reference").flops(3).by_component["mixer_core"] == 5 * 2 * 11 * 80 * 16 * 6 * 3


def test_swapping_the_two_directions_flips_the_sequence() -> None:
    mixer, swapped = moved(BidirectionalMamba(40, CHUNKED)), BidirectionalMamba(40, CHUNKED)
    names = {"A_log": "A_b_log", "D": "D_b", "conv1d": "conv1d_b", "x_proj": "x_proj_b", "dt_proj": "dt_proj_b"}
    names |= {flipped: name for name, flipped in names.items()}
    state = {key: key.partition(".") for key in mixer.state_dict()}
    swapped.load_state_dict(
        {names.get(head, head) + dot + tail: mixer.state_dict()[key] for key, (head, dot, tail) in state.items()}
    )
    torch.testing.assert_close(swapped(sequence().flip(1)).flip(1), mixer(sequence()))
    assert not torch.allclose(mixer(sequence().flip(1)).flip(1), mixer(sequence()), atol=1e-3)


@pytest.mark.parametrize(("silenced", "sees"), [("_b", "past"), ("", "future")])
def test_each_direction_sees_its_own_side_only(silenced: str, sees: str) -> None:
    mixer = moved(BidirectionalMamba(40, CHUNKED))
    with torch.no_grad():
        mixer.get_parameter(f"D{silenced}").zero_()
        mixer.get_parameter(f"x_proj{silenced}.weight").zero_()
    x = sequence()
    changed = x.clone()
    changed[:, 12] += 1
    reached = [t for t in range(21) if not torch.equal(mixer(changed)[:, t], mixer(x)[:, t])]
    assert reached == (list(range(12, 21)) if sees == "past" else list(range(13)))


@pytest.mark.parametrize("tokens", [1, 7, 8, 21])
def test_aligned_projections_change_no_output_and_no_gradient(tokens: int) -> None:
    mixer, aligned = moved(BidirectionalMamba(40, CHUNKED)), BidirectionalMamba(40, CHUNKED, alignment=8)
    aligned.load_state_dict(mixer.state_dict())
    results = []
    for each in (mixer, aligned):
        x = sequence(tokens).requires_grad_()
        output = each(x)
        gradients = torch.autograd.grad(output, [x, *each.parameters()], output.detach().cos())
        results.append([output, *gradients])
    for ours, expected in zip(*results, strict=True):
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_only_the_backend_for_gpus_aligns_its_projections() -> None:
    aligned = {name: DiS(config(), backend=name).mid_block.mixer.alignment for name in DiS.backends}
    assert aligned == {"reference": 1, "chunked": 1, "mamba-ssm": 8}


def test_skips_join_the_first_block_with_the_last() -> None:
    model = moved(DiS(config(), backend="chunked"))
    given, taken = [], []
    for block in model.in_blocks:
        block.register_forward_hook(lambda _, arguments, output: given.append(output[0]))
    for block in model.out_blocks:
        block.register_forward_pre_hook(lambda _, arguments: taken.append(arguments[2]))
    model(*inputs(6))
    assert [id(x) for x in taken] == [id(x) for x in reversed(given)]


def test_the_residual_stream_stays_fp32_in_half_precision() -> None:
    model = moved(DiS(config(), backend="chunked"))
    latent, timestep, label = inputs(6)
    exact = model(latent, timestep, label)
    seen = []
    model.bfloat16()
    for block in model.modules():
        if isinstance(block, DiSBlock):
            block.register_forward_hook(lambda _, arguments, output: seen.append([x.dtype for x in output]))
    output = model(latent.bfloat16(), timestep, label)
    assert seen == [[torch.bfloat16, torch.float32]] * 5
    assert output.dtype == torch.bfloat16
    assert (output.float() - exact).norm() < 3e-2 * exact.norm()


def test_the_position_embedding_is_interpolated_between_its_own_values() -> None:
    """A ramp over the columns stays a ramp, up to bicubic weights, and the condition tokens keep their values."""
    model = DiS(config(latent_size=16), backend="chunked")
    with torch.no_grad():
        model.pos_embed[:, :2] = -5
        model.pos_embed[:, 2:] = torch.arange(8.0).repeat(8)[:, None]
    assert torch.equal(model._position((8, 8)), model.pos_embed)
    position = model._position((5, 16))
    assert position.shape == (1, 2 + 5 * 16, 40)
    assert (position[:, :2] == -5).all()
    rows = position[0, 2:, 0].unflatten(0, (5, 16))
    torch.testing.assert_close(rows, rows[:1].expand(5, -1))
    torch.testing.assert_close(rows[0, 4:12], torch.arange(4, 12) / 2 - 0.25, rtol=0, atol=0.05)


def test_parameters_start_as_published() -> None:
    model = DiS(config(), backend="chunked")
    mixer = model.mid_block.mixer
    steps = functional.softplus(mixer.dt_proj.bias)
    assert 0.001 <= steps.min() < 0.005
    assert 0.02 < steps.max() <= 0.1001
    assert (mixer.dt_proj_b.bias == 0).all()
    for log_states in (mixer.A_log, mixer.A_b_log):
        torch.testing.assert_close(log_states.exp(), torch.arange(1.0, 17).repeat(80, 1))
    # PyTorch's uniform bound for 80 inputs, divided by the square root of the depth.
    assert 0.9 < mixer.out_proj.weight.max() * 80**0.5 * 4**0.5 <= 1
    assert 0.9 < model.final_layer.linear.weight.max() * 40**0.5 <= 1
    assert (model.pos_embed == 0).all()
