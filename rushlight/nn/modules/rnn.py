"""Recurrent layers and cells."""

import math
import numbers
import warnings
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight.amp.autocast_mode import autocast, cast
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_NETWORKS = {"LSTM": rushlight.lstm, "GRU": rushlight.gru, "RNN_TANH": rushlight.rnn_tanh, "RNN_RELU": rushlight.rnn_relu}
_CELLS = {
    "LSTM": rushlight.lstm_cell, "GRU": rushlight.gru_cell, "RNN_TANH": rushlight.rnn_tanh_cell, "RNN_RELU": rushlight.rnn_relu_cell,
}  # fmt: skip


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """Deprecated: `tensor.index_select(dim, permutation)`."""
    warnings.warn(
        "`apply_permutation` is deprecated, please use `tensor.index_select(dim, permutation)` instead",
        FutureWarning,
        stacklevel=2,
    )
    return _permuted(tensor, permutation, dim)


def _permuted(tensor: Tensor, permutation: Tensor | None, dim: int = 1) -> Tensor:
    return tensor if permutation is None else tensor.index_select(dim, permutation)


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the weights of all layers and directions, checks, and the call."""

    __constants__ = [
        "mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional",
        "proj_size",
    ]  # fmt: skip

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout) if isinstance(dropout, numbers.Number) else dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_options(dropout)
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_layer(layer, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def _check_options(self, dropout: Any) -> None:
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        if not isinstance(self.hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(self.hidden_size).__name__}")
        if self.hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    def _add_layer(self, layer: int, suffix: str, factory: dict) -> None:
        output = self.proj_size or self.hidden_size
        width = self.input_size if layer == 0 else output * (2 if self.bidirectional else 1)
        gates = _GATES[self.mode] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, width), "weight_hh": (gates, output)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for kind, shape in shapes.items():
            name = f"{kind}_l{layer}{suffix}"
            setattr(self, name, Parameter(rushlight.empty(shape, **factory)))
            names.append(name)
        self._flat_weights_names.extend(names)
        self._all_weights.append(names)

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing to do: the CPU has no use for weights in one piece."""

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniform in +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_flat_weights": self._flat_weights}

    def __setstate__(self, state: dict) -> None:
        state = {name: value for name, value in state.items() if name not in ("_flat_weights", "_flat_weight_refs")}
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    # ------------------------------------------------------------------ checks

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise where the input's dtype, dimensions or width don't fit."""
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype and not rushlight.is_autocast_enabled("cpu"):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def _state_size(self, batch: int, width: int) -> tuple[int, int, int]:
        return self.num_layers * (2 if self.bidirectional else 1), batch, width

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Size of the hidden state for an input."""
        batch = int(batch_sizes[0]) if batch_sizes is not None else input.size(0 if self.batch_first else 1)
        return self._state_size(batch, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """RuntimeError where a state has another size."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def _initial_states(
        self, input: Tensor, hx: Any, batch_sizes: Tensor | None, sorted_indices: Tensor | None
    ) -> tuple[Tensor, ...]:
        """The states to begin with: zeros, or the caller's in the order of the packed sequences."""
        expected = self.get_expected_hidden_size(input, batch_sizes)
        sizes = [expected]
        if self.mode == "LSTM":
            sizes.append(self._state_size(expected[1], self.hidden_size))
        if hx is None:
            return tuple(rushlight.zeros(size, dtype=input.dtype, device=input.device) for size in sizes)
        states = tuple(hx) if self.mode == "LSTM" else (hx,)
        for i, (state, size) in enumerate(zip(states, sizes, strict=True)):
            what = f"hidden[{i}]" if self.mode == "LSTM" else "hidden"
            self.check_hidden_size(state, size, f"Expected {what} size {{}}, got {{}}")
        return tuple(_permuted(state, sorted_indices) for state in states)

    def _check_states_dim(self, hx: Any, batched: bool) -> None:
        kind, n = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
        states = tuple(hx) if self.mode == "LSTM" else (hx,)
        if all(state.dim() == n for state in states):
            return
        if self.mode == "LSTM":
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {n}-D but got "
                f"({states[0].dim()}-D, {states[1].dim()}-D) tensors"
            )
        raise RuntimeError(f"For {kind} input, hx should also be {n}-D but got {hx.dim()}-D tensor")

    # ------------------------------------------------------------------ call

    def _run(self, input: Tensor, batch_sizes: Tensor | None, states: tuple) -> tuple[Tensor, tuple]:
        self.check_input(input, batch_sizes)
        if rushlight.is_autocast_enabled("cpu"):
            return self._run_autocast(input, batch_sizes, states)
        return self._run_layers(input, batch_sizes, states, self._flat_weights)

    def _run_autocast(self, input: Tensor, batch_sizes: Tensor | None, states: tuple) -> tuple[Tensor, tuple]:
        """In the lower precision; a GRU in float32, with results of the state's dtype."""
        kind = rushlight.float32 if self.mode == "GRU" else rushlight.get_autocast_dtype("cpu")
        with autocast("cpu", enabled=False):
            input, given, weights = cast((input, states, self._flat_weights), kind)
            output, after = self._run_layers(input, batch_sizes, given, weights)
            return cast((output, after), states[0].dtype) if self.mode == "GRU" else (output, after)

    def _run_layers(self, input: Tensor, batch_sizes: Tensor | None, states: tuple, weights: list) -> tuple[Tensor, tuple]:
        network = _NETWORKS[self.mode]
        options = (weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        initial = states if self.mode == "LSTM" else states[0]
        if batch_sizes is not None:
            output, *last = network(input, batch_sizes, initial, *options)
        else:
            output, *last = network(input.transpose(0, 1) if self.batch_first else input, initial, *options, False)
        return output, tuple(last)

    def _result(self, states: tuple) -> Any:
        return states if self.mode == "LSTM" else states[0]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            data, batch_sizes, sorted_indices, unsorted_indices = input
            states = self._initial_states(data, hx, batch_sizes, sorted_indices)
            output, states = self._run(data, batch_sizes, states)
            states = tuple(_permuted(state, unsorted_indices) for state in states)
            return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), self._result(states)
        if input.dim() not in (2, 3):
            name = "RNN" if self.mode.startswith("RNN") else self.mode
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        batched = input.dim() == 3
        if hx is not None:
            self._check_states_dim(hx, batched)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = tuple(s.unsqueeze(1) for s in hx) if self.mode == "LSTM" else hx.unsqueeze(1)
        self.check_input(input, None)
        output, states = self._run(input, None, self._initial_states(input, hx, None, None))
        if self.batch_first:
            output = output.transpose(0, 1)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = tuple(state.squeeze(1) for state in states)
        return output, self._result(states)


class RNN(RNNBase):
    """Elman network: h = tanh or relu of W_ih x + b_ih + W_hh h + b_hh. Input (T, N, I) and state (layers, N, H).

    Options: input_size, hidden_size, num_layers, nonlinearity, bias, batch_first, dropout, bidirectional.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory. Input (T, N, I), states (layers, N, H) and (layers, N, H); gates i, f, g, o.

    Options: input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size.
    Source: Hochreiter and Schmidhuber, 1997.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Size of the cell state for an input."""
        return self._state_size(self.get_expected_hidden_size(input, batch_sizes)[1], self.hidden_size)


class GRU(RNNBase):
    """Gated recurrent unit. Input (T, N, I), state (layers, N, H); gates r, z, n. Source: Cho et al., 2014.

    Options: input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the cells share: weights weight_ih, weight_hh, bias_ih, bias_hh."""

    __constants__ = ["input_size", "hidden_size", "bias"]
    weight_ih: Tensor
    weight_hh: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        factory = {"device": device, "dtype": dtype}
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = Parameter(rushlight.empty((gates, input_size), **factory))
        self.weight_hh = Parameter(rushlight.empty((gates, hidden_size), **factory))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(rushlight.empty(gates, **factory)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniform in +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, mode: str, input: Tensor, hx: Any, count: int) -> tuple[Tensor, ...]:
        """The next `count` states of a batch or of a single input."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        states = None if hx is None else tuple(hx) if count == 2 else (hx,)
        for i, state in enumerate(states or ()):
            if state.dim() not in (1, 2):
                which = f"hx[{i}]" if count == 2 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if input.size(1) != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.size(1)} expected {self.input_size}")
        if states is None:
            zeros = rushlight.zeros(input.size(0), self.hidden_size, dtype=input.dtype, device=input.device)
            states = (zeros,) * count
        elif not batched:
            states = tuple(state.unsqueeze(0) for state in states)
        self._check_states(input, states)
        result = _CELLS[mode](
            input, states if count == 2 else states[0], self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        result = result if count == 2 else (result,)
        return result if batched else tuple(state.squeeze(0) for state in result)

    def _check_states(self, input: Tensor, states: tuple[Tensor, ...]) -> None:
        for i, state in enumerate(states):
            if state.size(0) != input.size(0):
                raise RuntimeError(
                    f"Input batch size {input.size(0)} doesn't match hidden{i or ''} batch size {state.size(0)}"
                )
            if state.size(1) != self.hidden_size:
                raise RuntimeError(
                    f"hidden{i or ''} has inconsistent hidden_size: got {state.size(1)}, expected {self.hidden_size}"
                )

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of an Elman network: (N, I) and (N, H) to (N, H)."""

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(f"RNN_{self.nonlinearity.upper()}", input, hx, 1)[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (N, I) and the states (N, H), (N, H) to the next states."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        return self._step("LSTM", input, hx, 2)


class GRUCell(RNNCellBase):
    """One step of a GRU: (N, I) and (N, H) to (N, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: "rushlight.dtype | None" = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step("GRU", input, hx, 1)[0]
