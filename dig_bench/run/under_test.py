"""Network under test, as it is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dig_bench.cell import Cell
from dig_bench.protocol import Protocol
from dig_bench.run.evaluation import Evaluation, evaluate, random_cotangent
from dig_bench.run.step import Inputs
from dig_models import Backbone


@dataclass(frozen=True, kw_only=True)
class UnderTest:
    """The model that is timed, with inputs of the timed shape.

    `call` is the model or its compiled form. Training drops labels at random, which no two calls do alike: the model is
    evaluated in evaluation mode. Compiled code would have to be compiled once more for that, so it stays in training
    mode and all its labels are the null label, for which dropping changes nothing.
    """

    model: Backbone
    call: Callable[..., Tensor]
    inputs: Inputs
    cotangent: Tensor | None
    """Gradient of the output, (B, C', H, W); None outside of training."""

    @staticmethod
    def of(cell: Cell, protocol: Protocol, model: Backbone, call: Callable[..., Tensor]) -> UnderTest:
        """`call` is ignored unless it is compiled code: a CUDA graph replays what the model runs."""
        guided = cell.mode == "sample" and protocol.guidance != 1
        inputs = Inputs.random(model, cell.batch_size * (2 if guided else 1))
        call = call if cell.is_compiled else model
        if cell.mode == "train" and call is not model:
            if _has_null_label(model):
                inputs = replace(inputs, label=torch.full_like(inputs.label, model.config.num_classes))
            else:
                call = model
        cotangent = random_cotangent(model, inputs) if cell.mode == "train" else None
        return UnderTest(model=model, call=call, inputs=inputs, cotangent=cotangent)

    @property
    def batch_size(self) -> int:
        return len(self.inputs.latent)

    def evaluate(self) -> Evaluation:
        return evaluate(self.call, self.model, self.inputs, self.cotangent)

    def evaluate_image(self, index: int, model: Backbone | None = None) -> Evaluation:
        """Evaluates one image alone, by another model if that is given. Compiled code is compiled for the batch."""
        model = model or self.model
        cotangent = None if self.cotangent is None else self.cotangent[index : index + 1]
        return evaluate(model, model, self.inputs.image(index), cotangent)

    @contextmanager
    def without_dropping_labels(self) -> Iterator[None]:
        was_training = self.model.training
        self.model.train(was_training and self.call is not self.model)
        try:
            yield
        finally:
            self.model.train(was_training)


def _has_null_label(model: Backbone) -> bool:
    rows = [module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding)]
    return model.config.num_classes + 1 in rows
