"""Datasets, samplers, collation and the loader."""

import collections
import json
import math
import os
import pickle
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.utils import data

RECORDED = json.loads((Path(__file__).parent / "recorded" / "samplers.json").read_text())


class Squares(data.Dataset):
    """Indices, their squares, and the process that computed them."""

    def __init__(self, n=10, bad=()):
        self.n, self.bad = n, bad

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i in self.bad:
            raise ValueError(f"example {i} is bad")
        return i, float(i * i), os.getpid()


class Count(data.IterableDataset):
    """A stream that workers share."""

    def __init__(self, n=11):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(self.n)) if info is None else iter(range(info.id, self.n, info.num_workers))


def test_draws_are_pytorchs():
    """In this order: each draws from the generators where the one before left them."""
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(3)
    numbers = data.TensorDataset(torch.arange(11))
    draw = {
        "random": lambda: list(data.RandomSampler(range(9))),
        "replacement": lambda: list(data.RandomSampler(range(9), replacement=True, num_samples=40)),
        "more": lambda: list(data.RandomSampler(range(9), num_samples=20)),
        "subset": lambda: list(data.SubsetRandomSampler([5, 6, 7, 8])),
        "weighted": lambda: list(data.WeightedRandomSampler([0.1, 0.2, 0.7], 9)),
        "weighted_once": lambda: list(data.WeightedRandomSampler([0.1, 0.2, 0.7], 3, replacement=False)),
        "generator": lambda: list(data.RandomSampler(range(9), generator=generator)),
        "split": lambda: [list(part.indices) for part in data.random_split(range(10), [0.55, 0.45])],
        "loader": lambda: [batch[0].tolist() for batch in data.DataLoader(numbers, 4, shuffle=True)],
        "loader_generator": lambda: [
            b[0].tolist() for b in data.DataLoader(numbers, 4, shuffle=True, generator=generator)
        ],
        "in_order": lambda: [batch[0].tolist() for batch in data.DataLoader(numbers, 4, drop_last=True)],
        "distributed": lambda: [list(data.DistributedSampler(numbers, 3, rank)) for rank in range(3)],
        "after": lambda: torch.rand(1).item(),
        "generator_after": lambda: torch.rand(1, generator=generator).item(),
    }
    for name, expected in RECORDED.items():
        assert draw[name]() == expected, name


def test_rows_of_tensors_are_what_collating_gives():
    """The loader's shortcut for TensorDataset against the general way."""
    x, y = torch.arange(26.0).view(13, 2), torch.arange(13)
    dataset = data.TensorDataset(x, y)
    for kwargs in ({}, {"shuffle": True}, {"drop_last": True}, {"sampler": [3, -1, 0, 5]}):
        torch.manual_seed(1)
        fast = list(data.DataLoader(dataset, 4, **kwargs))
        torch.manual_seed(1)
        general = list(data.DataLoader(dataset, 4, collate_fn=lambda b: data.default_collate(b), **kwargs))
        assert len(fast) == len(general)
        for a, b in zip(fast, general, strict=True):
            assert type(a) is type(b) is list and all(torch.equal(p, q) for p, q in zip(a, b, strict=True))
            assert a[1].dtype is torch.int64 and a[0].is_contiguous()
    batch = next(iter(data.DataLoader(dataset, 4)))
    batch[0].zero_()
    assert float(x.sum()) == sum(range(26))  # a batch is a copy


def test_datasets():
    x = torch.arange(6).view(3, 2)
    tensors = data.TensorDataset(x, x * 2)
    assert len(tensors) == 3 and tensors[1][1].tolist() == [4, 6]
    both = tensors + data.Subset(tensors, [2, 0])
    assert len(both) == 5 and both[-1][0].tolist() == [0, 1] and both.cumulative_sizes == [3, 5]
    assert data.StackDataset(a=[1, 2], b=[3, 4])[1] == {"a": 2, "b": 4}
    assert data.StackDataset([1, 2], [3, 4]).__getitems__([1, 0]) == [(2, 4), (1, 3)]
    assert list(Count(2) + Count(3)) == [0, 1, 0, 1, 2]
    assert data.Subset(range(5), [4, 1]).__getitems__([0]) == [4]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="absolute value of index"):
        both[-6]
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(range(5), [2, 2])
    with pytest.warns(UserWarning, match="Length of split at index 2 is 0"):
        data.random_split(range(2), [0.3, 0.3, 0.4])


def test_collate():
    pair = collections.namedtuple("pair", "a b")
    collate = data.default_collate
    assert collate([1, 2]).dtype is torch.int64 and collate([1.0, 2]).dtype is torch.float64
    assert collate([True, False]).dtype is torch.bool
    assert collate(["a", "b"]) == ["a", "b"] and collate([b"a"]) == [b"a"]
    nested = collate([{"x": 1, "y": [1, 2]}, {"x": 2, "y": [3, 4]}])
    assert nested["x"].tolist() == [1, 2] and [t.tolist() for t in nested["y"]] == [[1, 3], [2, 4]]
    named = collate([pair(1, 2.0), pair(3, 4.0)])
    assert type(named) is pair and named.a.tolist() == [1, 3]
    assert type(collate([collections.OrderedDict(a=1)])) is collections.OrderedDict
    assert torch.equal(collate([torch.ones(2), torch.zeros(2)]), torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(RuntimeError, match="equal size"):
        collate([[1], [1, 2]])
    with pytest.raises(
        TypeError, match="batch must contain tensors, numpy arrays, numbers, dicts or lists; found <class 'NoneType'>"
    ):
        collate([None])


def test_collate_and_convert_numpy():
    np = pytest.importorskip("numpy")
    assert data.default_collate([np.ones(2), np.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert data.default_collate([np.float32(1), np.float32(2)]).dtype is torch.float32
    converted = data.default_convert({"a": np.ones(2), "b": ["x", 1], "c": (np.float32(1), 2)})
    assert converted["a"].dtype is torch.float64 and converted["b"] == ["x", 1] and converted["c"][0].item() == 1
    with pytest.raises(TypeError, match="found <U1"):
        data.default_collate([np.array("a")])


def test_loader_in_this_process():
    loader = data.DataLoader(Squares(), 4)
    assert [b[0].tolist() for b in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] and len(loader) == 3
    assert len(data.DataLoader(Squares(), 4, drop_last=True)) == 2
    assert [x[0] for x in data.DataLoader(Squares(3), None)] == [0, 1, 2]
    assert [b.tolist() for b in data.DataLoader(Count(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(Count(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(data.DataLoader(Count(3), None)) == [0, 1, 2]
    sampled = data.DataLoader(Squares(), batch_sampler=[[1, 2], [5]])
    assert [b[0].tolist() for b in sampled] == [[1, 2], [5]]
    first = iter(loader)
    next(first)
    assert next(iter(loader))[0].tolist() == [0, 1, 2, 3] and next(first)[0].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers(persistent):
    loader = data.DataLoader(Squares(), 3, num_workers=2, persistent_workers=persistent)
    pids = []
    for _ in range(2):
        batches = list(loader)
        assert [b[0].tolist() for b in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
        assert batches[1][1].tolist() == [9.0, 16.0, 25.0]
        pids.append({int(p) for b in batches for p in b[2]})
        assert os.getpid() not in pids[-1] and len(pids[-1]) == 2
    assert (pids[0] == pids[1]) is persistent
    stream = data.DataLoader(Count(), 2, num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        assert sorted(int(i) for b in stream for i in b) == list(range(11))


def test_worker_errors_arrive():
    loader = data.DataLoader(Squares(bad=(4,)), 2, num_workers=2)
    with pytest.raises(
        ValueError, match="Caught ValueError in DataLoader worker process 0.\nOriginal Traceback(.|\n)*example 4 is bad"
    ):
        list(loader)

    def dies(worker):
        os._exit(3)

    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(data.DataLoader(Squares(), 2, num_workers=1, worker_init_fn=dies, timeout=20))


def test_workers_draw_their_own_numbers():
    class Random(Squares):
        def __getitem__(self, i):
            return torch.rand(1).item()

    torch.manual_seed(0)
    first = torch.cat(list(data.DataLoader(Random(), 5, num_workers=2)))
    torch.manual_seed(0)
    again = torch.cat(list(data.DataLoader(Random(), 5, num_workers=2)))
    assert torch.equal(first, again) and len(set(first.tolist())) == 10


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(ValueError, match=message):
        data.DataLoader(Squares(), **kwargs)


def test_more_refusals():
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        data.DataLoader(Count(), shuffle=True)
    with pytest.raises(ValueError, match="should not be set after DataLoader is initialized"):
        data.DataLoader(Squares()).batch_size = 3
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        data.RandomSampler([])
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        data.WeightedRandomSampler([[0.1]], 1)
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        data.DistributedSampler(Squares())
    with pytest.warns(UserWarning, match="no accelerator is found"):
        next(iter(data.DataLoader(Squares(), pin_memory=True)))
    assert data.get_worker_info() is None


def test_loaders_pickle():
    loader = pickle.loads(pickle.dumps(data.DataLoader(data.TensorDataset(torch.arange(4.0)), 2)))
    assert [b[0].tolist() for b in loader] == [[0.0, 1.0], [2.0, 3.0]]


def test_split_by_fractions_covers_everything():
    parts = data.random_split(range(17), [0.5, 0.25, 0.25], generator=torch.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [9, 4, 4] and math.fsum(len(p) for p in parts) == 17
    assert sorted(i for p in parts for i in p.indices) == list(range(17))
