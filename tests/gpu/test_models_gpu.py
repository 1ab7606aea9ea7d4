"""Whole networks on a GPU: every backend equals the reference, and can be captured as a CUDA graph."""

import pytest
import torch

from dig_models import CATALOG, build, unavailable
from helpers import moved

pytestmark = pytest.mark.gpu

BACKENDS = [
    (name, backend)
    for name in ("DiG-S/2", "DiG-S/2-skip", "U-DiG-S/2", "DiT-S/2", "DiS-S/2")
    for backend in CATALOG[name].architecture.backends
    if backend not in ("reference", "sdpa")
]


@pytest.mark.parametrize(("name", "backend"), BACKENDS)
def test_bf16_output_is_near_the_fp32_reference_and_a_graph_replays_it(name: str, backend: str) -> None:
    if reason := unavailable(name, backend, "cuda", precision="bf16"):
        pytest.skip(reason)
    torch.manual_seed(0)
    oracle = CATALOG[name].architecture.reference_backend
    reference = build(name, image_size=160, backend=oracle, device="cpu").requires_grad_(False)
    moved(reference, std=0.02).cuda()
    model = build(name, image_size=160, backend=backend, precision="bf16", device="cuda").requires_grad_(False)
    model.load_state_dict(reference.state_dict())
    latent, timestep = torch.randn(2, 4, 20, 20, device="cuda"), torch.tensor([10, 700], device="cuda")
    label = torch.tensor([1, 2], device="cuda")
    expected = reference(latent, timestep, label)
    output = model(latent.bfloat16(), timestep, label)
    assert (output.float() - expected).norm() < 5e-2 * expected.norm()

    graph, static = torch.cuda.CUDAGraph(), latent.bfloat16()
    with torch.cuda.graph(graph):
        replayed = model(static, timestep, label)
    graph.replay()
    torch.testing.assert_close(replayed, output, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(("name", "backend"), [pair for pair in BACKENDS if pair[1] in ("fla", "mamba-ssm", "cudnn")])
def test_a_baseline_trains_as_the_fp32_reference_does(name: str, backend: str) -> None:
    """Gradients of all parameters as one vector, through the kernels of the published packages."""
    if reason := unavailable(name, backend, "cuda", mode="train", precision="bf16"):
        pytest.skip(reason)
    reference_backend = CATALOG[name].architecture.reference_backend
    reference = moved(build(name, image_size=128, backend=reference_backend), std=0.02).cuda()
    model = build(name, image_size=128, backend=backend, precision="bf16", device="cuda")
    model.load_state_dict(reference.state_dict())
    latent, timestep = torch.randn(2, 4, 16, 16, device="cuda"), torch.tensor([10, 700], device="cuda")
    label = torch.tensor([1, 2], device="cuda")
    cotangent = torch.randn(2, 8, 16, 16, device="cuda")
    gradients = [
        torch.cat(
            [
                gradient.float().flatten()
                for gradient in torch.autograd.grad(
                    each(latent.to(dtype), timestep, label), list(each.parameters()), cotangent.to(dtype)
                )
            ]
        )
        for each, dtype in ((model, torch.bfloat16), (reference, torch.float32))
    ]
    assert (gradients[0] - gradients[1]).norm() < 5e-2 * gradients[1].norm()


@pytest.mark.parametrize(("name", "backend"), [("DiG-S/2", "fla"), ("DiT-S/2", "cudnn"), ("DiS-S/2", "mamba-ssm")])
def test_a_compiled_baseline_can_be_captured(name: str, backend: str) -> None:
    if reason := unavailable(name, backend, "cuda", precision="bf16"):
        pytest.skip(reason)
    torch.compiler.reset()
    model = moved(build(name, image_size=128, backend=backend), std=0.02).to("cuda", torch.bfloat16)
    inputs = (
        torch.randn(1, 4, 16, 16, device="cuda", dtype=torch.bfloat16),
        torch.tensor([10], device="cuda"),
        torch.tensor([1], device="cuda"),
    )
    with torch.inference_mode():
        expected = model(*inputs)
        compiled = torch.compile(model)
        for _ in range(3):
            compiled(*inputs)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            replayed = compiled(*inputs)
        graph.replay()
    torch.testing.assert_close(replayed, expected, rtol=3e-2, atol=3e-2)
