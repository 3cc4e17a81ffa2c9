"""Loading in worker processes.

Each worker has a queue of tasks; all answer on one queue. A task is (number, indices); an answer (number, data), where
data may be a `_Failure` or, from a stream that ended, a `_StreamEnd`. None asks a worker to stop.
"""

import multiprocessing
import os
import queue
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import rushlight

_NEW_PASS = -1  # the number of a task that lets a stream start anew
_POLL_SECONDS = 5.0  # how often a waiting loader looks whether its workers live
_info: "WorkerInfo | None" = None


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info` tells a worker: its number, how many there are, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """Return the description of this worker process; None in any other process."""
    return _info


@dataclass(frozen=True)
class _StreamEnd:
    worker: int


class _Failure:
    """An exception on its way from a worker to the loader."""

    def __init__(self, worker: int) -> None:
        kind, value, _ = sys.exc_info()
        self.kind = kind
        self.key = value.args[0] if isinstance(value, KeyError) and value.args else None
        self.text = f"Caught {kind.__name__} in DataLoader worker process {worker}.\nOriginal {traceback.format_exc()}"

    def reraise(self) -> None:
        try:
            error = self.kind(self.text)
        except Exception:  # its constructor wants something else than a message
            raise RuntimeError(self.text) from None
        raise error


def _seed_worker(base_seed: int, worker: int) -> int:
    seed = base_seed + worker
    random.seed(seed)
    rushlight.manual_seed(seed)
    if "numpy" in sys.modules:
        numpy = sys.modules["numpy"]
        numpy.random.seed(
            numpy.random.SeedSequence([worker, base_seed & 0xFFFFFFFF, base_seed >> 32]).generate_state(4)
        )
    return seed


def _work(
    worker: int,
    count: int,
    dataset: Any,
    base_seed: int,
    make_fetch: Callable[[Any], Callable[[Any], Any]],
    init: Callable[[int], None] | None,
    tasks: Any,
    answers: Any,
) -> None:
    """The life of a worker process."""
    global _info
    rushlight.set_num_threads(1)
    _info = WorkerInfo(worker, count, _seed_worker(base_seed, worker), dataset)
    failure, fetch = None, None
    try:
        if init is not None:
            init(worker)
        fetch = make_fetch(dataset)
    except Exception:
        failure = _Failure(worker)
    parent = os.getppid()
    while True:
        try:
            task = tasks.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if os.getppid() != parent:  # the loader's process is gone
                return
            continue
        if task is None:
            return
        number, indices = task
        if number == _NEW_PASS:
            fetch = make_fetch(dataset)
            continue
        if failure is not None:
            data: Any = failure
        else:
            try:
                data = fetch(indices)  # type: ignore[misc]
            except StopIteration:
                data = _StreamEnd(worker)
            except Exception:
                data = _Failure(worker)
        answers.put((number, data))


class Workers:
    """The worker processes of one loader, with their queues."""

    def __init__(self, loader: Any, make_fetch: Callable[[Any], Callable[[Any], Any]], base_seed: int) -> None:
        self.loader = loader
        self.owner = os.getpid()
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self.answers = context.Queue()
        self.tasks = [context.Queue() for _ in range(loader.num_workers)]
        self.processes = []
        for i, tasks in enumerate(self.tasks):
            process = context.Process(
                target=_work,
                args=(i, loader.num_workers, loader.dataset, base_seed, make_fetch, loader.worker_init_fn),
                kwargs={"tasks": tasks, "answers": self.answers},
                daemon=True,
            )
            process.start()
            self.processes.append(process)

    def iterate(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The data of all batches, in their order unless the loader says `in_order=False`."""
        loader, active = self.loader, list(range(len(self.tasks)))
        ready: dict[int, Any] = {}
        owner: dict[int, int] = {}
        sent = given = turn = 0

        def send() -> None:
            nonlocal sent, turn
            if not active:
                return
            try:
                indices = next(batches)
            except StopIteration:
                return
            worker = active[turn % len(active)]
            turn += 1
            self.tasks[worker].put((sent, indices))
            owner[sent] = worker
            sent += 1

        for _ in range(loader.prefetch_factor * len(self.tasks)):
            send()
        while given < sent:
            if given in ready:
                data = ready.pop(given)
                given += 1
            elif not loader.in_order and ready:
                data = ready.pop(next(iter(ready)))
            elif given not in owner:  # given out of order
                given += 1
                continue
            else:
                number, data = self._receive()
                owner.pop(number)
                ready[number] = data
                continue
            if isinstance(data, _StreamEnd):
                if data.worker in active:
                    active.remove(data.worker)
                send()
                continue
            send()
            if isinstance(data, _Failure):
                data.reraise()
            yield data

    def new_pass(self) -> None:
        """Let the workers start their streams anew; their random generators go on."""
        for tasks in self.tasks:
            tasks.put((_NEW_PASS, None))

    def _receive(self) -> Any:
        timeout = self.loader.timeout
        waited = 0.0
        while True:
            wait = min(_POLL_SECONDS, timeout - waited) if timeout > 0 else _POLL_SECONDS
            try:
                return self.answers.get(timeout=wait)
            except queue.Empty:
                waited += wait
                dead = [str(p.pid) for p in self.processes if not p.is_alive()]
                if dead:
                    raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(dead)}) exited unexpectedly") from None
                if timeout > 0 and waited >= timeout:
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None

    def stop(self) -> None:
        """End the processes."""
        if os.getpid() != self.owner:  # a copy of the loader in a forked process
            return
        for tasks, process in zip(self.tasks, self.processes, strict=True):
            if process.is_alive():
                tasks.put(None)
        for process in self.processes:
            process.join(timeout=1.0)
            if process.is_alive():
                process.terminate()
                process.join()
        for q in (self.answers, *self.tasks):
            q.cancel_join_thread()
            q.close()
        self.processes = []
