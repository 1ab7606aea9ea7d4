"""Profiler ranges around every module of a backbone and every operation in it.

Hooks on the backbone's modules set the ranges, so any backbone has them, including plugins. They enclose the host's
work; a profiler links the kernels to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._C._profiler import _RecordFunctionFast

from dig_bench.profile.traffic import Traffic
from dig_models import Backbone

SCOPE, PART = "dig-bench scope ", "dig-bench part "
"""Prefixes of the names of ranges: of modules and operations, and of a step's parts."""


def named(name: str) -> AbstractContextManager[Any]:
    """Returns a profiler range that counts as an operator, as Inductor's ranges do.

    `record_function` makes annotations instead: a kernel launched inside nothing else is linked to none of them, and
    they appear among the kernels with all the time that they span.
    """
    range_: AbstractContextManager[Any] = _RecordFunctionFast(name)
    return range_


@contextmanager
def ranges(
    backbone: Backbone,
    *,
    traffic: Traffic | None = None,
    nvtx: bool = False,
    also: Callable[[str], AbstractContextManager[Any]] = nullcontext,
) -> Iterator[None]:
    """While the block runs, every module and every operation of the backbone has a range.

    Adds to `traffic` each call of an operation and of a layer without sublayers. `nvtx` adds NVTX ranges for Nsight
    Systems. `also(name)` is entered inside each range.
    """
    names: list[str] = []
    open_ranges: list[ExitStack] = []

    def enter(name: str) -> None:
        stack = ExitStack()
        stack.enter_context(named(SCOPE + name))
        stack.enter_context(torch.cuda.nvtx.range(name) if nvtx else nullcontext())
        stack.enter_context(also(SCOPE + name))
        names.append(name)
        open_ranges.append(stack)

    def leave() -> None:
        names.pop()
        open_ranges.pop().close()

    def hook(name: str, module: nn.Module) -> list[Any]:
        def before(*_: Any) -> None:
            enter(name)

        def after(_: nn.Module, arguments: Any, output: Any) -> None:
            leave()
            if traffic is not None and not list(module.children()):
                traffic.add(name, [*arguments, *module.parameters(recurse=False), output])

        return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def watch(operation: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def of(function: Callable[..., Any]) -> Callable[..., Any]:
            def ranged(*arguments: Any) -> Any:
                name = f"{names[-1] if names else ''}:{operation}"
                enter(name)
                try:
                    output = function(*arguments)
                finally:
                    leave()
                if traffic is not None:
                    traffic.add(name, [*arguments, output])
                return output

            return ranged

        return of

    hooks = [each for name, module in backbone.named_modules() for each in hook(name, module)]
    with ExitStack() as stack:
        for operation in backbone.operations.values():
            stack.enter_context(operation.watched(watch(operation.name)))
        try:
            yield
        finally:
            for each in hooks:
                each.remove()
