"""Profiles of training loops: `profile` with a schedule of steps, over autograd.profiler."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from rushlight.autograd import profiler as _profiler
from rushlight.autograd.profiler import record_function
from rushlight.autograd.profiler_util import EventList

__all__ = [
    "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function", "schedule",
    "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(Enum):
    """Kinds of devices; only the CPU has something to show."""

    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)


class ProfilerAction(Enum):
    """What a profile does in a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


def supported_activities() -> set[ProfilerActivity]:
    """{ProfilerActivity.CPU}."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: the library of that name is not used."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Steps to skip, then cycles of steps to wait, to warm up and to record; repeat 0 stands for cycles without end.

    skip_first_wait: the first cycle doesn't wait. Raises AssertionError for negative numbers and active < 1.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """A function for on_trace_ready that writes each trace to a file of its own in a folder that TensorBoard reads."""
    if use_gzip:
        raise NotImplementedError("tensorboard_trace_handler: use_gzip is not supported")

    def write(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return write


class profile:  # noqa: N801  (PyTorch's name)
    """Times operators within the block, or in the steps that a schedule names; `step()` ends a step.

    on_trace_ready is called with self when a cycle of the schedule, or the block, ends. record_shapes, profile_memory,
    with_stack and with_flops as in autograd.profiler.profile, which says what is seen.
    """

    def __init__(
        self, *, activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None, on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False, profile_memory: bool = False, with_stack: bool = False, with_flops: bool = False,
        with_modules: bool = False, experimental_config: Any = None, execution_trace_observer: Any = None,
        acc_events: bool = False, use_cuda: bool | None = None,
    ) -> None:  # fmt: skip
        if execution_trace_observer is not None or experimental_config is not None:
            raise NotImplementedError("profile: execution_trace_observer and experimental_config are not supported")
        self.activities = set(activities) if activities is not None else supported_activities()
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self._options = {"record_shapes": record_shapes, "profile_memory": profile_memory, "with_stack": with_stack,
                         "with_flops": with_flops, "with_modules": with_modules}  # fmt: skip
        self._options["use_cpu"] = ProfilerActivity.CPU in self.activities
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.profiler: _profiler.profile | None = None
        self._label: record_function | None = None
        self._running = False
        self._metadata: dict[str, Any] = {}

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins, as entering the block does."""
        self._begin_step()

    def stop(self) -> None:
        """Ends, as leaving the block does."""
        self._end_label()
        if self._running:
            self._save()

    def step(self) -> None:
        """Ends a step: the schedule says what the next one does."""
        self._end_label()
        previous, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        ended = previous is ProfilerAction.RECORD_AND_SAVE
        if self._running and (ended or self.current_action in (ProfilerAction.NONE, ProfilerAction.WARMUP)):
            self._save()
        self._begin_step()

    def _begin_step(self) -> None:
        recording = self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if recording and not self._running:
            self.profiler = _profiler.profile(**self._options).__enter__()
            self._running = True
        if recording and self.record_steps:
            self._label = record_function(f"ProfilerStep#{self.step_num}").__enter__()

    def _end_label(self) -> None:
        if self._label is not None:
            self._label.__exit__()
            self._label = None

    def _save(self) -> None:
        self.profiler.__exit__()  # type: ignore[union-attr]
        self._running = False
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def _done(self) -> _profiler.profile:
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before getting key averages")
        return self.profiler

    def events(self) -> EventList:
        """The events of the last cycle."""
        return self._done().events()

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The sums of the events of the last cycle, by name."""
        return self._done().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the last cycle as a trace that chrome://tracing and Perfetto show."""
        self.events().export_chrome_trace(path, self._metadata)

    def add_metadata(self, key: str, value: str) -> None:
        """Adds an entry to the exported trace."""
        self._metadata[key] = value
