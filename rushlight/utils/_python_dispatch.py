"""Modes below the recording of the graph: every operator that runs is handed to `__torch_dispatch__`."""

from __future__ import annotations

from typing import Any

from rushlight import _C


class TorchDispatchMode:
    """A context in which every operator, named as in PyTorch's ATen, passes `__torch_dispatch__` of the mode."""

    def __torch_dispatch__(
        self, func: Any, types: tuple, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        raise NotImplementedError(
            "TorchDispatchMode: define __torch_dispatch__(self, func, types, args=(), kwargs=None)"
        )

    def __enter__(self) -> TorchDispatchMode:
        _C._push_interpreter(self, 0)
        return self

    def __exit__(self, *exc: object) -> None:
        _C._pop_interpreter()

    def _interpret(self, op: Any, values: tuple, inplace: bool) -> Any:
        """Called by the core with the arguments in the order of the signature; absent ones are None."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for value, (name, _kind, keyword_only, default) in zip(values, op._params, strict=True):
            same = value is default or (
                not isinstance(value, _C.Tensor) and type(value) is type(default) and value == default
            )
            if keyword_only:
                if not same:
                    kwargs[name] = value
            else:
                args.append((value, same))
        while args and args[-1][1]:
            args.pop()
        positional = tuple(value for value, _ in args)
        types = tuple(
            {type(v) for v in (*positional, *kwargs.values()) if isinstance(v, _C.Tensor) and type(v) is not _C.Tensor}
        )
        result = self.__torch_dispatch__(op, types, positional, kwargs)
        if type(result) is tuple and any(value is None for value in result):
            # A gradient that was not asked for, of convolution_backward and the like: nobody reads what stands there.
            result = tuple(_C._functions.empty(0) if value is None else value for value in result)
        return result
