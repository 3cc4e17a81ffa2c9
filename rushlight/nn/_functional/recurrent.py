"""Recurrent networks as functions: cells, and layers of them over whole sequences, padded or packed."""

from collections.abc import Callable, Sequence
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight._C import _nn

States = tuple[Tensor, ...]
Step = Callable[[Tensor, States], States]


def _rnn_step(activation: Callable[[Tensor], Tensor], w_hh: Tensor, b_hh: Tensor | None) -> Step:
    def step(gates: Tensor, states: States) -> States:
        return (activation(gates + _nn.linear(states[0], w_hh, b_hh)),)

    return step


def _lstm_step(w_hh: Tensor, b_hh: Tensor | None, w_hr: Tensor | None) -> Step:
    def step(gates: Tensor, states: States) -> States:
        i, f, g, o = (gates + _nn.linear(states[0], w_hh, b_hh)).chunk(4, -1)
        c = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return (h if w_hr is None else _nn.linear(h, w_hr)), c

    return step


def _gru_step(w_hh: Tensor, b_hh: Tensor | None) -> Step:
    def step(gates: Tensor, states: States) -> States:
        (h,) = states
        i_r, i_z, i_n = gates.chunk(3, -1)
        h_r, h_z, h_n = _nn.linear(h, w_hh, b_hh).chunk(3, -1)
        n = (i_n + (i_r + h_r).sigmoid() * h_n).tanh()
        return (n + (i_z + h_z).sigmoid() * (h - n),)

    return step


def _make_step(mode: str, weights: Sequence[Tensor | None]) -> Step:
    w_hh, b_hh, w_hr = weights
    if mode == "LSTM":
        return _lstm_step(w_hh, b_hh, w_hr)
    if mode == "GRU":
        return _gru_step(w_hh, b_hh)
    return _rnn_step(rushlight.tanh if mode == "RNN_TANH" else rushlight.relu, w_hh, b_hh)


def _run_padded(step: Step, gates: Tensor, states: States, reverse: bool) -> tuple[Tensor, States]:
    """All steps of (T, N, gates): the outputs (T, N, H) and the last states."""
    outputs = []
    steps = gates.unbind(0)
    for gate in reversed(steps) if reverse else steps:
        states = step(gate, states)
        outputs.append(states[0])
    if reverse:
        outputs.reverse()
    return rushlight.stack(outputs), states


def _run_packed(
    step: Step, gates: Tensor, batch_sizes: list[int], initial: States, reverse: bool
) -> tuple[Tensor, States]:
    """All steps of packed (sum of sizes, gates), sequences by falling length: packed outputs and last states."""
    chunks = gates.split(batch_sizes)
    outputs: list[Tensor] = []
    if reverse:
        # The longest sequences begin; the others join with their first states where they end.
        states = tuple(s[: batch_sizes[-1]] for s in initial)
        for gate, size in zip(reversed(chunks), reversed(batch_sizes), strict=True):
            have = states[0].size(0)
            if size > have:
                states = tuple(rushlight.cat([s, i[have:size]]) for s, i in zip(states, initial, strict=True))
            states = step(gate, states)
            outputs.append(states[0])
        outputs.reverse()
        return rushlight.cat(outputs), states
    states = initial
    finished: list[States] = []
    for gate, size in zip(chunks, batch_sizes, strict=True):
        if size < states[0].size(0):
            finished.append(tuple(s[size:] for s in states))
            states = tuple(s[:size] for s in states)
        states = step(gate, states)
        outputs.append(states[0])
    finished.append(states)
    last = tuple(rushlight.cat(parts) for parts in zip(*reversed(finished), strict=True))
    return rushlight.cat(outputs), last


def recurrent(
    mode: str,
    input: Tensor,
    batch_sizes: Tensor | None,
    initial: States,
    weights: Sequence[Sequence[Tensor | None]],
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, States]:
    """Layers of a recurrent network of `mode` RNN_TANH, RNN_RELU, LSTM or GRU.

    input (T, N, I), or packed (sum, I) with `batch_sizes`; each of `initial` (layers * directions, N, H); `weights` of
    each layer and direction: w_ih, w_hh, b_ih, b_hh, w_hr. Returns the outputs and the last states.
    Sources: Elman, 1990; Hochreiter and Schmidhuber, 1997; Cho et al., 2014; Sak et al., 2014 (projections).
    """
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    directions = 2 if bidirectional else 1
    last: list[States] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            w_ih, w_hh, b_ih, b_hh, w_hr = weights[k]
            gates = _nn.linear(input, w_ih, b_ih)
            step = _make_step(mode, (w_hh, b_hh, w_hr))
            states = tuple(s[k] for s in initial)
            if sizes is None:
                output, states = _run_padded(step, gates, states, direction == 1)
            else:
                output, states = _run_packed(step, gates, sizes, states, direction == 1)
            outputs.append(output)
            last.append(states)
        input = outputs[0] if directions == 1 else rushlight.cat(outputs, -1)
        if dropout > 0 and train and layer < num_layers - 1:
            input = _nn.dropout(input, dropout, True)
    return input, tuple(rushlight.stack(parts) for parts in zip(*last, strict=True))


def cell(
    mode: str,
    input: Tensor,
    states: States,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Any:
    """One step: input (N, I) and states (N, H) each, to the next states."""
    return _make_step(mode, (w_hh, b_hh, None))(_nn.linear(input, w_ih, b_ih), states)
