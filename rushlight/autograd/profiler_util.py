"""What a profile holds: events, their sums by name, and the table of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from typing import Any

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg"]


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _memory(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for larger in ("KB", "MB", "GB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, larger
    return f"{nbytes} B" if unit == "B" else f"{size:.2f} {unit}"


class _Timed:
    """Times in microseconds, and as text; those of other devices are 0."""

    cpu_time_total: float
    self_cpu_time_total: float
    count: int
    device_time = device_time_total = self_device_time_total = cuda_time = 0.0
    device_memory_usage = self_device_memory_usage = 0

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """cpu_time with its unit."""
        return _time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """cpu_time_total with its unit."""
        return _time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """self_cpu_time_total with its unit."""
        return _time(self.self_cpu_time_total)


class FunctionEvent(_Timed):
    """One call of an operator, or one labelled block: start_us, end_us, its parent and children, shapes, memory."""

    def __init__(self, id: int, name: str, thread: int, start_us: float, is_user_annotation: bool = False) -> None:
        self.id, self.name, self.key, self.thread = id, name, name, thread
        self.start_us, self.end_us = start_us, start_us
        self.is_user_annotation = is_user_annotation
        self.input_shapes: list[Any] = []
        self.stack: list[str] = []
        self.flops: int | None = None
        self.cpu_memory_usage = 0
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []
        self.count = 1

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds from start to end."""
        return self.end_us - self.start_us

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """cpu_time_total without that of the children."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """cpu_memory_usage without that of the children."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} start_us={self.start_us:.3f} "
            f"end_us={self.end_us:.3f} cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Timed):
    """The sum of the events of one name, or of one name and input shapes."""

    def __init__(self, key: str = "Total", input_shapes: Any = None, stack: Iterable[str] = ()) -> None:
        self.key, self.input_shapes, self.stack = key, input_shapes, list(stack)
        self.count, self.flops = 0, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.is_user_annotation = False

    def add(self, other: Any) -> FunctionEventAvg:
        """Adds an event, or another sum."""
        for name in ("count", "cpu_time_total", "self_cpu_time_total", "cpu_memory_usage", "self_cpu_memory_usage"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.flops += other.flops or 0
        self.is_user_annotation = other.is_user_annotation
        return self

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} count={self.count} input_shapes={self.input_shapes or ''} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class EventList(list):
    """Events, or their sums by name: `key_averages()`, `table()`, `export_chrome_trace(path)`."""

    def __init__(self, events: Iterable[Any] = (), profile_memory: bool = False, with_flops: bool = False) -> None:
        super().__init__(events)
        self._profile_memory, self._with_flops = profile_memory, with_flops

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each counted once."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The sums of the events that share name, shapes and the innermost frames, as far as asked for."""
        sums: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else None
            frames = tuple(event.stack[:group_by_stack_n])
            key = (event.key, str(shapes), frames)
            sums.setdefault(key, FunctionEventAvg(event.key, shapes, frames)).add(event)
        return EventList(sums.values(), self._profile_memory, self._with_flops)

    def total_average(self) -> FunctionEventAvg:
        """The sum of all."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        return total

    def table(
        self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75,
        max_name_column_width: int = 55, max_shapes_column_width: int = 80, header: str | None = None,
        top_level_events_only: bool = False, time_unit: str | None = None,
    ) -> str:  # fmt: skip
        """A table of at most row_limit rows, the largest by the attribute sort_by first. AttributeError for others."""
        rows = list(self)
        if sort_by is not None:
            rows.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        if top_level_events_only:
            rows = [event for event in rows if getattr(event, "cpu_parent", None) is None]
        unit = {None: None, "us": 1.0, "ms": 1e3, "s": 1e6}[time_unit]
        total = self.self_cpu_time_total
        cells = [self._row(e, total, unit, time_unit, max_name_column_width, max_shapes_column_width) for e in rows]
        titles = list(cells[0]) if cells else ["Name"]
        lines = [list(cell.values()) for cell in cells[: row_limit if row_limit >= 0 else None]]
        widths = [max(12, *(len(line[i]) for line in [titles, *lines])) for i in range(len(titles))]
        rule = "  ".join("-" * w for w in widths)
        text = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in [titles, *lines]]
        head = [] if header is None else ["=" * len(rule), header]
        return "\n".join([*head, rule, text[0], rule, *text[1:], rule, f"Self CPU time total: {_time(total)}", ""])

    def _row(
        self, event: Any, total: float, unit: float | None, suffix: str | None, name_width: int, shapes_width: int
    ) -> dict[str, str]:
        def time(us: float) -> str:
            return _time(us) if unit is None else f"{us / unit:.3f}{suffix}"

        def part(us: float) -> str:
            return f"{100 * us / total:.2f}%" if total else "0.00%"

        name = event.key
        row = {
            "Name": name if len(name) <= name_width else name[: name_width - 3] + "...",
            "Self CPU %": part(event.self_cpu_time_total),
            "Self CPU": time(event.self_cpu_time_total),
            "CPU total %": part(event.cpu_time_total),
            "CPU total": time(event.cpu_time_total),
            "CPU time avg": time(event.cpu_time),
        }
        if self._profile_memory:
            row |= {"CPU Mem": _memory(event.cpu_memory_usage), "Self CPU Mem": _memory(event.self_cpu_memory_usage)}
        row["# of Calls"] = str(event.count)
        if any(e.input_shapes for e in self):
            row["Input Shapes"] = str(event.input_shapes or [])[:shapes_width]
        if any(e.stack for e in self):
            row["Source Location"] = event.stack[0] if event.stack else ""
        if self._with_flops:
            row["Total FLOPs"] = str(event.flops) if event.flops else "--"
        return row

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        """Writes the events as a trace that chrome://tracing and Perfetto show."""
        events = [
            {
                "ph": "X", "cat": "user_annotation" if event.is_user_annotation else "cpu_op", "name": event.name,
                "pid": os.getpid(), "tid": event.thread, "ts": event.start_us, "dur": event.cpu_time_total,
                "args": {"External id": event.id, "Input Dims": event.input_shapes},
            }
            for event in itertools.chain(self)
        ]  # fmt: skip
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"schemaVersion": 1, "displayTimeUnit": "ms", **(metadata or {}), "traceEvents": events}, file)
