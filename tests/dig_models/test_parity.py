"""Networks match recorded outputs and gradients of the published code (tests/data/parity/README.md) within 1e-4."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dig_models import Backbone, DiG, DiGConfig, DiS, DiSConfig, DiT, DiTConfig, load_published

PARITY = Path(__file__).parent.parent / "data" / "parity"


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).norm() / expected.norm()).item()


def network(recorded: dict, backend: str) -> Backbone:
    sizes = {"patch_size": recorded["patch_size"], "depth": recorded["depth"], "num_classes": recorded["num_classes"]}
    if recorded["arch"] == "DiS":
        return DiS(DiSConfig(latent_size=recorded["img_size"], width=recorded["embed_dim"], **sizes), backend=backend)
    sizes |= {"latent_size": recorded["input_size"], "width": recorded["hidden_size"]}
    sizes |= {"num_heads": recorded["num_heads"]}
    if recorded["arch"] == "DiT":
        return DiT(DiTConfig(**sizes), backend=backend)
    return DiG(DiGConfig(**sizes, skip=recorded["skip"]), backend=backend)


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("dit", "math"),
        ("dit", "sdpa"),
        ("dig", "reference"),
        ("dig", "chunked"),
        ("dis", "reference"),
        ("dis", "chunked"),
    ],
)
def test_outputs_and_gradients_equal_the_published_ones(name: str, backend: str) -> None:
    with np.load(PARITY / f"{name}.npz") as archive:
        recorded = {key: archive[key] for key in archive.files}
    model = network(json.loads(recorded["config"].tobytes()), backend).eval()
    state = {key.removeprefix("state."): torch.from_numpy(v) for key, v in recorded.items() if key.startswith("state.")}
    load_published(model, state)

    latent, timestep, label = (torch.from_numpy(recorded[f"in.{key}"]) for key in "xty")
    output = model(latent.requires_grad_(), timestep, label)
    (output * torch.from_numpy(recorded["cotangent"])).sum().backward()

    gradients = {name: parameter.grad for name, parameter in model.named_parameters()} | {"x": latent.grad}
    errors = {"out": relative_error(output.detach(), torch.from_numpy(recorded["out"]))}
    for key, expected in recorded.items():
        if key.startswith("grad."):
            gradient = gradients[key.removeprefix("grad.")]
            assert gradient is not None
            errors[key] = relative_error(gradient, torch.from_numpy(expected))
    assert {key: error for key, error in errors.items() if not error < 1e-4} == {}
