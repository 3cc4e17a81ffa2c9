"""`DataLoader`: batches of a dataset, loaded in this process or in worker processes."""

import functools
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import rushlight
from rushlight import Generator, Tensor
from rushlight.utils.data._utils.collate import default_collate, default_convert
from rushlight.utils.data._utils.worker import Workers, get_worker_info
from rushlight.utils.data.dataset import Dataset, IterableDataset, TensorDataset
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_T_co = TypeVar("_T_co", covariant=True)
_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _DatasetKind:
    Map = 0
    Iterable = 1


class _Endless(Sampler[None]):
    """Stands for the indices of a stream, which has none."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[_T_co]):
    """Iterates over batches of a dataset.

    `batch_size=None` gives single examples. `num_workers` processes load ahead, `prefetch_factor` batches each; with 0
    the calling process loads. `generator` draws the shuffle and the workers' seeds.
    """

    dataset: Dataset[_T_co]
    _workers: Workers | None = None
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[_T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self._dataset_kind = _DatasetKind.Iterable if isinstance(dataset, IterableDataset) else _DatasetKind.Map
        if self._dataset_kind == _DatasetKind.Iterable:
            _check_stream_options(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        if num_workers > 0:
            self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self) -> Any:
        """The way in which worker processes are started: a context of `multiprocessing`, its name, or None."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                    f"num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                valid = multiprocessing.get_all_start_methods()
                if context not in valid:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{valid!r}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
        self.__multiprocessing_context = context

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_workers"}

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Iterable:
            length = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return length
            return length // self.batch_size if self.drop_last else -(-length // self.batch_size)
        return len(self._index_sampler)

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't "
                "be used.",
                stacklevel=2,
            )
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.new_pass()
            return _Pass(self, self._load_in_workers(workers))
        # Drawn even where nothing uses it, so that the numbers that follow are PyTorch's.
        base_seed = rushlight.empty((), dtype=rushlight.int64).random_(generator=self.generator).item()
        if self.num_workers == 0:
            return _Pass(self, self._load_here())
        parts = (self._dataset_kind, self._auto_collation, self.collate_fn, self.drop_last)
        return _Pass(self, self._load_in_workers(Workers(self, functools.partial(_make_fetch, *parts), base_seed)))

    def _load_here(self) -> Iterator[Any]:
        fetch = _make_fetch(self._dataset_kind, self._auto_collation, self.collate_fn, self.drop_last, self.dataset)
        for indices in self._batches():
            try:
                data = fetch(indices)
            except StopIteration:
                return
            yield data

    def _batches(self) -> Iterator[Any]:
        """What is fetched at once: a list of indices, an index, or a tensor of indices where that saves the lists."""
        batches = self.batch_sampler
        plain = type(batches) is BatchSampler and _rows_of_tensors(self.dataset, self.collate_fn)
        draws = _draws_of(batches.sampler) if plain else None  # type: ignore[union-attr]
        if draws is None:
            yield from self._index_sampler
            return
        order, size = next(draws), batches.batch_size  # type: ignore[union-attr]
        last = len(order) - size + 1 if self.drop_last else len(order)
        for start in range(0, last, size):
            yield order[start : start + size]
        for _ in draws:  # PyTorch's sampler draws again at its end, from a generator that the user may have given
            pass

    def _load_in_workers(self, workers: Workers) -> Iterator[Any]:
        complete = False
        try:
            yield from workers.iterate(iter(self._index_sampler))
            complete = True
        finally:
            if complete and self.persistent_workers:
                self._workers = workers
            else:
                workers.stop()

    def __del__(self) -> None:
        if self._workers is not None:
            self._workers.stop()

    def check_worker_number_rationality(self) -> None:
        """Warn where there are more workers than processors to run them."""
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if usable is not None and self.num_workers > usable:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number "
                f"of worker in current system is {usable}, which is smaller than what this DataLoader is going to "
                "create. Please be aware that excessive worker creation might get DataLoader running slow or even "
                "freeze, lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


class _Pass:
    """One pass over a loader's batches."""

    def __init__(self, loader: DataLoader, batches: Iterator[Any]) -> None:
        self._loader = loader
        self._source = batches
        self._yielded = 0

    def __iter__(self) -> "_Pass":
        return self

    def __next__(self) -> Any:
        data = next(self._source)
        self._yielded += 1
        if self._loader._dataset_kind == _DatasetKind.Iterable and hasattr(self._loader.dataset, "__len__"):
            self._check_length()
        return data

    def _check_length(self) -> None:
        length = len(self._loader)
        if self._yielded == length + 1 and self._loader.num_workers > 0:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be {length} (when accessing "
                f"len(dataloader)), but {self._yielded} samples have been fetched. For multiprocessing data-loading, "
                "this could be caused by not properly configuring the IterableDataset replica at each worker.",
                stacklevel=3,
            )

    def __len__(self) -> int:
        return len(self._loader)


def _check_stream_options(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, value, given in (
        ("shuffle", shuffle, shuffle not in (False, None)),
        ("sampler", sampler, sampler is not None),
        ("batch_sampler", batch_sampler, batch_sampler is not None),
    ):
        if given:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def _rows_of_tensors(dataset: Any, collate_fn: Any) -> bool:
    """Whether batches are rows of tensors, so that one indexing of each tensor makes a batch."""
    return (
        type(dataset) is TensorDataset
        and collate_fn is default_collate
        and all(type(tensor) is Tensor for tensor in dataset.tensors)
    )


def _draws_of(sampler: Any) -> Iterator[Tensor] | None:
    """The pieces in which a sampler draws its indices, where the first piece is the whole pass."""
    if type(sampler) is SequentialSampler:
        return iter([rushlight.arange(len(sampler))])
    if type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None:
        return sampler._draws()
    return None


def _make_fetch(kind: int, batched: bool, collate_fn: Callable, drop_last: bool, dataset: Any) -> Callable[[Any], Any]:
    """The function from indices to data. At the end of a stream it raises StopIteration."""
    if kind == _DatasetKind.Iterable:
        return _stream_fetch(iter(dataset), batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if _rows_of_tensors(dataset, collate_fn):
        return lambda indices: _rows(dataset.tensors, indices)
    if callable(getattr(dataset, "__getitems__", None)):
        return lambda indices: collate_fn(dataset.__getitems__(indices))
    return lambda indices: collate_fn([dataset[index] for index in indices])


def _rows(tensors: tuple[Tensor, ...], indices: Any) -> list[Tensor]:
    if isinstance(indices, Tensor):
        return [tensor.index_select(0, indices) for tensor in tensors]
    index = rushlight.tensor(indices, dtype=rushlight.int64)
    return [tensor[index] for tensor in tensors]


def _stream_fetch(stream: Iterator[Any], batched: bool, collate_fn: Callable, drop_last: bool) -> Callable[[Any], Any]:
    def single(_: None) -> Any:
        return collate_fn(next(stream))

    ended = False

    def many(placeholders: list[None]) -> Any:
        nonlocal ended
        if ended:
            raise StopIteration
        batch = []
        for _ in placeholders:
            try:
                batch.append(next(stream))
            except StopIteration:
                ended = True
                break
        if not batch or (drop_last and len(batch) < len(placeholders)):
            raise StopIteration
        return collate_fn(batch)

    return many if batched else single
