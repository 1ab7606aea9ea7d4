"""Step: the work of one timing sample, a forward pass or a training step, in parts that are timed apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dig_models import Backbone


# B batch, C latent channels, H W latent height and width
@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Inputs of a backbone: latent (B, C, H, W), timestep (B,), label (B,)."""

    latent: Tensor
    timestep: Tensor
    label: Tensor

    @staticmethod
    def random(model: Backbone, batch_size: int) -> Inputs:
        """Returns seeded inputs in the model's precision, on its device."""
        parameter = next(model.parameters())
        generator = torch.Generator(parameter.device).manual_seed(1)
        config, device = model.config, parameter.device
        shape = (batch_size, config.in_channels, config.latent_size, config.latent_size)
        latent_BCHW = torch.randn(shape, generator=generator, device=device)
        return Inputs(
            latent=latent_BCHW.to(parameter.dtype),
            timestep=torch.randint(1000, (batch_size,), generator=generator, device=device),
            label=torch.randint(config.num_classes, (batch_size,), generator=generator, device=device),
        )

    def into(self, model: Callable[..., Tensor]) -> Tensor:
        return model(self.latent, self.timestep, self.label)

    def image(self, index: int) -> Inputs:
        """Returns the inputs of one image, as a batch of one."""
        one = slice(index, index + 1)
        return Inputs(latent=self.latent[one], timestep=self.timestep[one], label=self.label[one])


@dataclass(frozen=True, kw_only=True)
class Step:
    """Named parts that run one after the other, on inputs at fixed addresses."""

    parts: Mapping[str, Callable[[], object]]
    outputs: list[Tensor]
    """The network's output in the last run, one tensor. It may keep a large block of the allocator: clear it to free
    memory."""
    captured: Step | None = None
    """Captured step of a step that replays CUDA graphs: it keeps the tensors alive that the graphs read."""
    optimizer: torch.optim.Optimizer | None = None
    """Optimizer of a training step."""

    def __call__(self) -> None:
        for part in self.parts.values():
            part()


def forward_step(model: Callable[..., Tensor], inputs: Inputs) -> Step:
    """Returns a step of one part, `forward`, in inference mode."""
    outputs: list[Tensor] = []

    def forward() -> None:
        outputs.clear()
        with torch.inference_mode():
            outputs.append(inputs.into(model))

    return Step(parts={"forward": forward}, outputs=outputs)


def training_step(model: Backbone, call: Callable[..., Tensor], inputs: Inputs) -> Step:
    """Returns a step of the parts `forward`, `backward`, `optimizer`: the model in training mode, with fused AdamW.

    `call` is the model or its compiled form. There is no loss: the backward pass starts from a fixed random gradient of
    unit norm. The learning rate is zero, so that all steps train the same network; AdamW's work does not depend on it.
    """
    model.train().requires_grad_(True)
    on_cuda = inputs.latent.is_cuda
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=0.0, fused=True, capturable=on_cuda)
    outputs: list[Tensor] = []
    cotangent = cotangent_like(model, inputs)

    def forward() -> None:
        outputs.clear()
        outputs.append(inputs.into(call))

    def backward() -> None:
        outputs[0].backward(cotangent)

    def update() -> None:
        optimizer.step()
        # None makes a captured backward pass write new gradients; zeros would make it add to those of the last step.
        optimizer.zero_grad(set_to_none=True)

    parts = {"forward": forward, "backward": backward, "optimizer": update}
    return Step(parts=parts, outputs=outputs, optimizer=optimizer)


def cotangent_like(model: Backbone, inputs: Inputs) -> Tensor:
    """Returns a seeded random gradient of the output, (B, C, H, W), of unit norm on average."""
    batch_size, _, *size = inputs.latent.shape
    generator = torch.Generator(inputs.latent.device).manual_seed(2)
    shape = (batch_size, model.config.out_channels, *size)
    cotangent = torch.randn(shape, generator=generator, device=inputs.latent.device)
    return (cotangent * cotangent.numel() ** -0.5).to(inputs.latent.dtype)


def first_line(error: Exception) -> str:
    """Returns `TypeName: first line of the message`."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
