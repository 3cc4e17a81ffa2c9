"""`profile`: times of operators in a block of the program, and `record_function`, which labels a part of it.

Operators are timed below the recording of the graph, where the modes stand: kernels that are fused otherwise, backward
kernels above all, are seen, and timed, as their parts.
"""

from __future__ import annotations

import functools
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.autograd.profiler_util import EventList, FunctionEvent
from rushlight.utils._python_dispatch import TorchDispatchMode

__all__ = ["EventList", "FunctionEvent", "profile", "record_function"]

_recorders: list[_Recorder] = []  # of the profiles in force


class _Recorder(TorchDispatchMode):
    """Times what passes it."""

    def __init__(self, shapes: bool, memory: bool, stack: bool, flops: bool) -> None:
        self.shapes, self.memory, self.stack, self.flops = shapes, memory, stack, flops
        self.events: list[FunctionEvent] = []
        self.open: list[FunctionEvent] = []

    def begin(self, name: str, is_user_annotation: bool = False) -> FunctionEvent:
        event = FunctionEvent(len(self.events) + 1, name, threading.get_native_id(), 0.0, is_user_annotation)
        if self.open:
            event.cpu_parent = self.open[-1]
            self.open[-1].cpu_children.append(event)
        self.events.append(event)
        self.open.append(event)
        if self.stack:
            frames = [f for f in traceback.extract_stack() if "rushlight" not in f.filename.split("/")[-3:]]
            event.stack = [f"{f.filename}({f.lineno}): {f.name}" for f in reversed(frames)]
        if self.memory:
            event.cpu_memory_usage = -rushlight.cpu.memory_allocated()
        event.start_us = event.end_us = time.perf_counter_ns() / 1e3
        return event

    def end(self, event: FunctionEvent) -> None:
        now = time.perf_counter_ns() / 1e3
        while self.open:
            last = self.open.pop()
            last.end_us = now
            if self.memory:
                last.cpu_memory_usage += rushlight.cpu.memory_allocated()
            if last is event:
                return

    def __torch_dispatch__(
        self, func: Any, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        event = self.begin("aten::" + str(func).removeprefix("aten.").rsplit(".", 1)[0])
        try:
            out = func(*args, **kwargs)
        finally:
            self.end(event)
        if self.shapes:
            event.input_shapes = [list(a.shape) if isinstance(a, Tensor) else [] for a in args]
        if self.flops:
            from rushlight.utils.flop_counter import aten, flop_registry

            formula = flop_registry.get(getattr(aten, func._opname))
            event.flops = formula(*args, **kwargs, out_val=out) if formula else None
        return out

    def __enter__(self) -> _Recorder:
        super().__enter__()
        _recorders.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.open:
            self.end(self.open[0])
        _recorders.remove(self)
        super().__exit__(*exc)


class record_function:  # noqa: N801  (PyTorch's name)
    """A label, as a block or a decorator, under which profiles show what runs in it."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._begun: list[tuple[_Recorder, FunctionEvent]] = []

    def __enter__(self) -> record_function:
        self._begun = [(recorder, recorder.begin(self.name, True)) for recorder in _recorders]
        return self

    def __exit__(self, *exc: object) -> None:
        for recorder, event in self._begun:
            if event in recorder.open:
                recorder.end(event)
        self._begun = []

    def __call__(self, func: Callable) -> Callable:
        @functools.wraps(func)
        def labelled(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return func(*args, **kwargs)

        return labelled


class profile:  # noqa: N801  (PyTorch's name)
    """Within the block the operators of this thread are timed: afterwards `key_averages().table()`, `events()`.

    record_shapes, profile_memory, with_stack and with_flops add those to each event. Other devices than the CPU have
    nothing to show. Raises RuntimeError where it is entered twice, AssertionError where it is asked before its end.
    """

    def __init__(
        self, enabled: bool = True, *, use_cuda: bool = False, use_device: str | None = None,
        record_shapes: bool = False, with_flops: bool = False, profile_memory: bool = False, with_stack: bool = False,
        with_modules: bool = False, use_kineto: bool = False, use_cpu: bool = True, acc_events: bool = False,
    ) -> None:  # fmt: skip
        if with_modules:
            raise NotImplementedError("profile: with_modules is not supported; label modules with record_function")
        self.enabled, self.profile_memory, self.with_flops = enabled and use_cpu, profile_memory, with_flops
        self._options = (record_shapes, profile_memory, with_stack, with_flops)
        self._recorder: _Recorder | None = None
        self.function_events: EventList | None = None
        self.entered = False

    def __enter__(self) -> profile:
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        if self.enabled:
            self._recorder = _Recorder(*self._options).__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        events: list[FunctionEvent] = []
        if self._recorder is not None:
            self._recorder.__exit__(*exc)
            events = self._recorder.events
        self.function_events = EventList(events, self.profile_memory, self.with_flops)

    def _finished(self) -> EventList:
        if self.function_events is None:
            raise AssertionError("Profiler didn't finish running")
        return self.function_events

    def events(self) -> EventList:
        """All events in the order in which they began."""
        return self._finished()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The sums of the events by name."""
        return self._finished().key_averages(group_by_input_shape, group_by_stack_n)

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The sums by name, as EventList.table shows them."""
        return self.key_averages().table(*args, **kwargs)

    def total_average(self) -> Any:
        """The sum of all events."""
        return self._finished().total_average()

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events as a trace that chrome://tracing and Perfetto show."""
        self._finished().export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each counted once."""
        return self._finished().self_cpu_time_total

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else repr(self.function_events)

    def __str__(self) -> str:
        return self.__repr__() if self.function_events is None else self.table()
