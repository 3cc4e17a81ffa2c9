"""Operators under PyTorch's ATen names: `torch.ops.aten.add.Tensor`."""

from __future__ import annotations

from typing import Any

from rushlight import _C


class _Packet:
    """All overloads of a name; calling it takes the one that fits."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, overload: str) -> Any:
        inplace = self._name.endswith("_")
        if inplace or overload.startswith("__"):
            raise AttributeError(f"torch.ops.aten.{self._name} has no overload '{overload}' here")
        for namespace in ("", "nn", "linalg", "special", "fft"):
            for name in (overload, "") if overload == "default" else (overload,):
                try:
                    found = _C._overload(namespace, self._name, name)
                except AttributeError:
                    continue
                if overload != "default" or found._overloadname == "default":
                    return found
        raise AttributeError(f"The underlying op of 'aten.{self._name}' has no overload name '{overload}'")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for namespace in (_C._functions, _C._nn):
            if hasattr(namespace, self._name):
                return getattr(namespace, self._name)(*args, **kwargs)
        raise AttributeError(f"torch.ops.aten.{self._name} is not there")

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self._name}')>"


class _Namespace:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if self._name != "aten" or name.startswith("__"):
            raise AttributeError(
                f"'torch.ops.{self._name}' has no '{name}': custom operator libraries are not supported"
            )
        packet = _Packet(name)
        setattr(self, name, packet)
        return packet


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    namespace = globals()[name] = _Namespace(name)
    return namespace
