"""Images: compares images of the network under test with an independent backend, within a budget of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

import torch

from dig_bench.cell import Cell
from dig_bench.measure.memory import is_out_of_memory
from dig_bench.protocol import Protocol
from dig_bench.run.comparisons import Comparisons
from dig_bench.run.evaluation import Evaluation, errors, relative_error
from dig_bench.run.independent import exactly, network, recompute_blocks
from dig_bench.run.parameters import move
from dig_bench.run.shallow import shallow_depth
from dig_bench.run.step import first_line
from dig_bench.run.under_test import UnderTest
from dig_models import CATALOG, Backbone
from dig_models.catalog import PIXELS_PER_LATENT


class Images:
    """Comparisons with one backend in fp32, which sees one image at a time. Adds them to `found`.

    First the last image of a network of a few blocks. Where the budget then allows an image of the whole network, the
    last image of the very model that is timed, and as many others as the budget allows: all, the first, or none.
    """

    def __init__(self, cell: Cell, protocol: Protocol, backend: str, found: Comparisons, *, ends_s: float) -> None:
        self.cell = cell
        self.protocol = protocol
        self.backend = backend
        self.found = found
        self.ends_s = ends_s
        """End of the budget on the monotonic clock."""
        config = CATALOG[cell.model].config
        self._depth = config.depth
        self._grid = cell.resolution_px // PIXELS_PER_LATENT // config.patch_size
        self._where = f"{self._grid**2} tokens"

    def compare(self, tested: UnderTest, batch: Evaluation) -> None:
        """Compares `tested`, whose evaluation of the batch is `batch`."""
        depth = shallow_depth(self.cell)
        note, failure = "", ""
        try:
            whole_s = None
            if depth is not None:
                note, whole_s = self._compare_few_blocks(tested, depth)
            if whole_s is None or self._allows(whole_s):
                note = self._compare_whole(tested, batch)
        except Exception as error:
            # The other backend may fail where the tested one does not.
            reason = "out of memory" if is_out_of_memory(error) else first_line(error)
            failure = f"{self._where}: {self.backend} fp32 of {self._depth} blocks unchecked, {reason}"
        self.found.notes += filter(None, (note, failure))

    def _compare_few_blocks(self, tested: UnderTest, depth: int) -> tuple[str, float]:
        """Compares a network of few blocks. Returns a note, and the estimated seconds for an image of the whole one."""
        cell = self.cell
        model = network(cell, grid=self._grid, backend=cell.backend, precision=cell.precision, depth=depth)
        move(model, self.protocol.check_noise)
        few = replace(tested, model=model, call=model)
        exact = self._exact(model, depth)
        seconds = self._compare_images(few, few.evaluate(), exact, may_go_on=False)[1]
        factor = self._depth / depth
        if self._allows(seconds) and not self._allows(factor * seconds):
            # The first call loads the kernels.
            seconds = self._evaluate(few, 0, exact)[1]
        return self._note(tested, 1, f", {depth} of {self._depth} blocks"), factor * seconds

    def _compare_whole(self, tested: UnderTest, batch: Evaluation) -> str:
        """Compares images of the whole network. Returns a note."""
        images, _ = self._compare_images(tested, batch, self._exact(tested.model, None), may_go_on=True)
        return self._note(tested, images, "")

    def _compare_images(
        self, tested: UnderTest, batch: Evaluation, exact: Backbone, *, may_go_on: bool
    ) -> tuple[int, float]:
        """Compares the last image, and others if it may. Returns the number of images, and the seconds of the last one.

        The gradients of the parameters are sums over the batch: they are compared if all images are.
        """
        last = tested.batch_size - 1
        expected, seconds = self._evaluate(tested, last, exact)
        self._add(errors(batch.image(last), expected.without_parameters()))
        others = range(0)
        if may_go_on and last:
            others = range(last if self._allows(last * seconds) else int(self._allows(seconds)))
        sums = list(expected.parameter_gradients) if len(others) == last else []
        for index in others:
            expected, _ = self._evaluate(tested, index, exact)
            self._add(errors(batch.image(index), expected.without_parameters()))
            if sums:
                torch._foreach_add_(sums, list(expected.parameter_gradients))
        if sums:
            self._add({"parameter gradients": relative_error(batch.parameter_gradients, sums)})
        return 1 + len(others), seconds

    def _exact(self, model: Backbone, depth: int | None) -> Backbone:
        """Builds the other network, with the parameters of `model`."""
        exact = network(self.cell, grid=self._grid, backend=self.backend, depth=depth)
        exact.load_state_dict(model.state_dict())
        if self.cell.mode == "train":
            recompute_blocks(exact)
        return exact

    def _evaluate(self, tested: UnderTest, index: int, exact: Backbone) -> tuple[Evaluation, float]:
        """Evaluates an image by the other network. Returns the seconds that it took, too."""
        begin_s = monotonic()
        with exactly():
            found = tested.evaluate_image(index, exact)
        if self.cell.device == "cuda":
            torch.cuda.synchronize()
        return found, monotonic() - begin_s

    def _add(self, found: Mapping[str, float]) -> None:
        self.found.add(f"{self.backend} fp32 at {self._where}", found)

    def _allows(self, seconds: float) -> bool:
        return monotonic() + seconds <= self.ends_s

    def _note(self, tested: UnderTest, images: int, blocks: str) -> str:
        batch_size = tested.batch_size
        count = f"{images} of {batch_size} images" if batch_size > 1 else "1 image"
        gradients = ", gradients" if images == batch_size else ", input gradient"
        return f"{self._where}: {self.backend} fp32{blocks}, {count}{gradients if self.cell.mode == 'train' else ''}"
