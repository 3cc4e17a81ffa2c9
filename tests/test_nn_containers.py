"""Modules that hold modules or parameters: Sequential, lists and dictionaries."""

from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn

pytestmark = pytest.mark.core


def test_sequential():
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert isinstance(net[-1], nn.Sigmoid) and list(net[1:]._modules) == ["1", "2"]
    assert len(net + nn.Sequential(nn.ReLU())) == 4 and len(net * 2) == 6 and len(2 * net) == 6
    assert isinstance(net.pop(0), nn.ReLU) and list(net._modules) == ["0", "1"]
    net.insert(0, nn.ReLU())
    assert [type(m).__name__ for m in net] == ["ReLU", "Tanh", "Sigmoid"]
    net[1] = nn.Identity()
    del net[2]
    net += nn.Sequential(nn.ReLU())
    net.append(nn.ReLU()).extend([nn.ReLU()])
    assert len(net) == 5
    with pytest.raises(IndexError, match="index 9 is out of range"):
        net[9]
    with pytest.raises(ValueError, match="add operator supports only objects of Sequential class"):
        net + 3
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)
    named = nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.ReLU()))
    assert named.first.in_features == 1 and isinstance(named.second, nn.ReLU)


def test_module_list():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
    assert repr(layers) == (
        "ModuleList(\n  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n  (2): ReLU()\n)"
    )
    layers.insert(0, nn.Tanh())
    assert isinstance(layers[0], nn.Tanh) and len(layers) == 4
    assert isinstance(layers.pop(0), nn.Tanh) and len(layers[1:]) == 2
    del layers[0]
    assert list(layers._modules) == ["0", "1"]
    layers += [nn.ReLU()]
    assert len(layers + [nn.ReLU()]) == 4 and layers[1] in layers
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable, but got int"):
        layers.extend(3)
    assert "0" not in dir(layers)


def test_module_dict():
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    assert list(table) == list(table.keys()) == ["a", "b"] and "a" in table and len(table) == 2
    table.update([("c", nn.Sigmoid())])
    assert isinstance(table["c"], nn.Sigmoid) and isinstance(table.pop("c"), nn.Sigmoid)
    with pytest.raises(KeyError, match="attribute 'pop' already exists"):
        table["pop"] = nn.ReLU()
    with pytest.raises(ValueError, match="sequence element #0 has length 1; 2 is required"):
        table.update([("x",)])
    table.clear()
    assert not len(table)


def test_parameter_list():
    values = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(3))])
    values.append(5).extend([torch.ones(1)])
    assert isinstance(values[0], nn.Parameter) and values[2] == 5 and len(values) == 4
    assert list(values.state_dict()) == ["0", "1", "3"] and len(list(values.parameters())) == 3
    values[1] = torch.ones(4)
    assert values[1].shape == (4,) and len(values[0:2]) == 2
    assert "(2): Object of type: int" in repr(values)
    with pytest.raises(RuntimeError, match="ParameterList should not be called."):
        values(1)


def test_parameter_dict():
    table = nn.ParameterDict({"b": torch.ones(2), "a": torch.zeros(1)})
    assert list(table) == ["a", "b"] and isinstance(table["a"], nn.Parameter)
    table["c"] = 3
    assert table.get("zz", 7) == 7 and table.setdefault("c") == 3 and table.pop("c") == 3
    assert list((table | nn.ParameterDict({"d": torch.ones(1)})).keys()) == ["a", "b", "d"]
    assert list(reversed(table)) == ["b", "a"] and table.copy()["a"] is table["a"]
    assert table.popitem()[0] == "b" and list(table.state_dict()) == ["a"]
    assert list(table.fromkeys(["x", "y"], torch.ones(1))) == ["x", "y"]
    with pytest.raises(TypeError, match="not a string"):
        table[3] = torch.ones(1)


def test_data_parallel_calls_its_module():
    net = nn.DataParallel(nn.Linear(2, 3))
    assert net(torch.ones(1, 2)).shape == (1, 3) and list(net.state_dict()) == ["module.weight", "module.bias"]
