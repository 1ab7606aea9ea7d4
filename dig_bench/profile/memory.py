"""Records one step's allocations: from the CUDA allocator's history, or from the profiler's events on a CPU."""

from __future__ import annotations

import gc
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from inspect import getsourcefile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from dig_bench.profile.allocations import RELEASE, Event, Range, line_of, of_snapshot, trace
from dig_bench.profile.memory_profile import GRADIENTS, STATE, WEIGHTS, Known, MemoryProfile, Owner, analyse
from dig_bench.profile.ranges import PART, SCOPE, named, ranges
from dig_bench.run.step import Step
from dig_models import Backbone

MAX_EVENTS = 2_000_000
"""Longest history of the allocator; a step has tens of thousands of events."""


def record(
    step: Step, model: Backbone, optimizer: torch.optim.Optimizer | None, device: str
) -> tuple[MemoryProfile, dict[str, Any] | None]:
    """Records one run of an eager step that has run before.

    Returns the profile and CUDA's snapshot, for https://pytorch.org/memory_viz; None on a CPU. On a CPU, neither the
    inputs nor memory outside PyTorch count.
    """
    step.outputs.clear()
    gc.collect()
    before = _before(model, optimizer)
    if device == "cuda":
        return _on_cuda(step, model, before)
    return _on_cpu(step, model, before), None


def _on_cuda(step: Step, model: Backbone, before: dict[int, tuple[Owner, int]]) -> tuple[MemoryProfile, dict[str, Any]]:
    _give_back_workspaces()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    counter = _Counter()
    # Without C++ frames: resolving their names takes minutes.
    torch.cuda.memory._record_memory_history(enabled="all", context="alloc", stacks="python", max_entries=MAX_EVENTS)
    try:
        with ranges(model, also=counter.range):
            gradients = _run(step, model, counter.range)
        torch.cuda.synchronize()
        peak_bytes = torch.cuda.max_memory_allocated()
        with counter.range(PART + RELEASE):
            _give_back_workspaces()
        snapshot = torch.cuda.memory._snapshot()
    finally:
        torch.cuda.memory._record_memory_history(enabled=None)
    device = torch.cuda.current_device()
    history = snapshot["device_traces"][device]
    notes = []
    found = counter.ranges
    if sum(entry["action"] in ("alloc", "free_requested") for entry in history) != counter.count():
        notes.append("the allocator's history lacks events that it counted: modules and parts are unknown")
        found = []
    known = _known(model, before, gradients)
    seen = of_snapshot(snapshot, found, device=device, plugin=_plugin(model))
    return analyse(seen, known, allocator_peak_bytes=peak_bytes, notes=notes), snapshot


def _on_cpu(step: Step, model: Backbone, before: dict[int, tuple[Owner, int]]) -> MemoryProfile:
    with (
        ranges(model),
        profile(activities=[ProfilerActivity.CPU], profile_memory=True, with_stack=True) as profiler,
    ):
        gradients = _run(step, model, lambda name: nullcontext())
    nodes = list(_walk(profiler.profiler.kineto_results.experimental_event_tree()))
    allocations = [node for node in nodes if _is_allocation(node)]
    allocations.sort(key=lambda node: node.start_time_ns)
    times = [node.start_time_ns for node in allocations]
    plugin = _plugin(model)
    events = [
        Event(
            time_us=node.start_time_ns / 1e3,
            address=node.typed[1].ptr,
            bytes=node.typed[1].alloc_size,
            line=line_of(_frames(node), plugin),
        )
        for node in allocations
    ]
    found = [
        Range(name=node.name, begin=bisect_left(times, node.start_time_ns), end=bisect_right(times, node.end_time_ns))
        for node in nodes
        # Names of other events may have been freed with their code.
        if node.tag == torch._C._profiler._EventType.TorchOp and node.name.startswith((SCOPE, PART))
    ]
    sizes = {address: size for address, (_, size) in before.items()}
    return analyse(trace(events, found, sizes), _known(model, before, gradients))


def _run(step: Step, model: Backbone, also: Any) -> dict[int, str]:
    """Runs the step; returns the addresses of the gradients that the backward pass leaves -> parameters' names."""
    gradients: dict[int, str] = {}
    for name, part in step.parts.items():
        with named(PART + name), also(PART + name):
            part()
        if name == "backward":
            for parameter_name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    gradients[_address(parameter.grad)] = parameter_name
    return gradients


class _Counter:
    """Records ranges as numbers of allocator events."""

    def __init__(self) -> None:
        self._first = self._total()
        self._open: list[tuple[str, int, int | None]] = []

    @contextmanager
    def range(self, name: str) -> Iterator[None]:
        place, begin = len(self._open), self.count()
        self._open.append((name, begin, None))
        try:
            yield
        finally:
            self._open[place] = (name, begin, self.count())

    @property
    def ranges(self) -> list[Range]:
        return [Range(name=name, begin=begin, end=end) for name, begin, end in self._open if end is not None]

    def count(self) -> int:
        return self._total() - self._first

    def _total(self) -> int:
        found = torch.cuda.memory_stats_as_nested_dict()["allocation"]["all"]
        return int(found["allocated"] + found["freed"])


def _before(model: Backbone, optimizer: torch.optim.Optimizer | None) -> dict[int, tuple[Owner, int]]:
    """Returns address -> owner and bytes of the storages before the step."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owned = [(WEIGHTS, name, tensor) for name, tensor in [*model.named_parameters(), *model.named_buffers()]]
    owned += [(GRADIENTS, name, each.grad) for name, each in model.named_parameters() if each.grad is not None]
    for parameter, state in optimizer.state.items() if optimizer else ():
        tensors = [value for value in state.values() if isinstance(value, Tensor)]
        owned += [(STATE, names.get(id(parameter), ""), tensor) for tensor in tensors]
    return {
        _address(tensor): (Owner(kind=kind, name=name), tensor.untyped_storage().nbytes())
        for kind, name, tensor in owned
        if tensor.numel()
    }


def _known(model: Backbone, before: dict[int, tuple[Owner, int]], gradients: dict[int, str]) -> Known:
    return Known(
        before={address: owner for address, (owner, _) in before.items()},
        gradients=gradients,
        leaves=frozenset(name for name, module in model.named_modules() if not list(module.children())),
    )


def _give_back_workspaces() -> None:
    torch.cuda.synchronize()
    # Clears the workspaces of all streams; a step allocates the one that it needs.
    torch._C._cuda_clearCublasWorkspaces()


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _plugin(model: Backbone) -> str:
    return Path(getsourcefile(type(model)) or "").name


def _walk(nodes: Any) -> Iterator[Any]:
    """Yields the events of the profiler's tree, outer ones first."""
    for node in nodes:
        yield node
        yield from _walk(node.children)


def _is_allocation(node: Any) -> bool:
    return node.tag == torch._C._profiler._EventType.Allocation and bool(node.typed[1].alloc_size)


def _frames(node: Any) -> Iterator[tuple[str, int]]:
    """Yields file and line of the calls around an event; the function's first line where the call's own is unknown."""
    kinds = torch._C._profiler._EventType
    while (node := node.parent) is not None:
        if node.tag in (kinds.PyCall, kinds.PyCCall):
            call = node.typed[1]
            at = call.callsite if node.tag == kinds.PyCall else call.caller
            yield at.file_name, at.line_number
