"""Multi-head attention as a function of all its weights."""

import warnings
from typing import Any

import rushlight
from rushlight import Tensor
from rushlight._C import _nn


def _mha_shape_check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    """Whether the query has a batch dimension. AssertionError where shapes don't fit together."""
    if query.dim() not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.dim()}-D query tensor"
        )
    batched = query.dim() == 3
    kind, n, mask_n = ("batched (3-D)", 3, 2) if batched else ("unbatched (2-D)", 2, 1)
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != mask_n:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {mask_n}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D "
                "tensor instead"
            )
        if not batched and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            if attn_mask.shape != expected:
                raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}")
    return batched


def _none_or_dtype(input: Any) -> "rushlight.dtype | None":
    if input is None:
        return None
    if isinstance(input, Tensor):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: "rushlight.dtype | None",
    other_name: str,
    target_type: "rushlight.dtype",
    check_other: bool = True,
) -> Tensor | None:
    """The mask as numbers to add to scores: a boolean one becomes -inf where it is True."""
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    if mask.dtype is not rushlight.bool and not is_float:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if is_float:
        return mask
    return rushlight.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))


def _in_projection_packed(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None = None) -> list[Tensor]:
    """Project q, k and v by the three stacked weights of `w`: in one product where the three are one tensor."""
    embed = q.size(-1)
    if k is v:
        if q is k:
            projected = _nn.linear(q, w, b)
            return list(projected.unflatten(-1, (3, embed)).unbind(-2))
        w_q, w_kv = w.split([embed, embed * 2])
        b_q, b_kv = (None, None) if b is None else b.split([embed, embed * 2])
        projected = _nn.linear(k, w_kv, b_kv)
        return [_nn.linear(q, w_q, b_q), *projected.unflatten(-1, (2, embed)).unbind(-2)]
    biases = (None, None, None) if b is None else b.chunk(3)
    return [_nn.linear(x, wx, bx) for x, wx, bx in zip((q, k, v), w.chunk(3), biases, strict=True)]


def _in_projection(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    b_q: Tensor | None = None,
    b_k: Tensor | None = None,
    b_v: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Project q, k and v by a weight each, all to the width of q."""
    embed, k_width, v_width = q.size(-1), k.size(-1), v.size(-1)
    for name, weight, width in (("q", w_q, embed), ("k", w_k, k_width), ("v", w_v, v_width)):
        if weight.shape != (embed, width):
            raise AssertionError(f"expecting {name} weights shape of {(embed, width)}, but got {weight.shape}")
    for name, bias in (("q", b_q), ("k", b_k), ("v", b_v)):
        if bias is not None and bias.shape != (embed,):
            raise AssertionError(f"expecting {name} bias shape of {(embed,)}, but got {bias.shape}")
    return _nn.linear(q, w_q, b_q), _nn.linear(k, w_k, b_k), _nn.linear(v, w_v, b_v)


def _check_embed(query: Tensor, embed_dim_to_check: int, num_heads: int) -> int:
    embed = query.shape[-1]
    if embed != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}")
    if embed // num_heads * num_heads != embed:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {num_heads}")
    return embed // num_heads


def _expanded_attn_mask(attn_mask: Tensor, batch: int, heads: int, target: int, source: int) -> Tensor:
    if attn_mask.dim() == 2:
        if attn_mask.shape != (target, source):
            raise RuntimeError(f"The shape of the 2D attn_mask is {attn_mask.shape}, but should be {(target, source)}.")
        return attn_mask.unsqueeze(0)
    if attn_mask.shape != (batch * heads, target, source):
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {attn_mask.shape}, but should be {(batch * heads, target, source)}."
        )
    return attn_mask


def _split_heads(x: Tensor, batch: int, heads: int, head_dim: int) -> Tensor:
    """(L, N, heads * head_dim) to (N * heads, L, head_dim)."""
    return x.reshape(x.shape[0], batch * heads, head_dim).transpose(0, 1)


def _static(given: Tensor | None, computed: Tensor, name: str, rows: int, width: int) -> Tensor:
    if given is None:
        return computed
    if given.size(0) != rows:
        raise AssertionError(f"expecting {name}.size(0) of {rows}, but got {given.size(0)}")
    if given.size(2) != width:
        raise AssertionError(f"expecting {name}.size(2) of {width}, but got {given.size(2)}")
    return given


def _pad_masks(attn_mask: Tensor | None, key_padding_mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The masks with one more source position, that everybody sees."""
    return tuple(None if m is None else _nn.pad(m, (0, 1)) for m in (attn_mask, key_padding_mask))


def _attend_with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float
) -> tuple[Tensor, Tensor]:
    scaled = q * (1.0 / q.size(-1)) ** 0.5
    scores = scaled.bmm(k.transpose(-2, -1)) if mask is None else rushlight.baddbmm(mask, scaled, k.transpose(-2, -1))
    weights = _nn.softmax(scores, -1)
    if dropout_p > 0.0:
        weights = _nn.dropout(weights, dropout_p)
    return weights.bmm(v), weights


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of `num_heads` heads with projections: query (L, N, E), key and value (S, N, .), or without N.

    Returns the output (L, N, E) and, with `need_weights`, the weights (N, L, S), or (N, heads, L, S) if not averaged.
    A mask is True, or -inf, where attention is forbidden. Source: Vaswani et al., Attention Is All You Need, 2017.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = (key is query, value is key, value is query)
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else query if same[2] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    target, batch, embed = query.shape
    source = key.shape[0]
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # scaled_dot_product_attention makes the causal mask itself
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
        is_causal = is_causal and key_padding_mask is None
    head_dim = _check_embed(query, embed_dim_to_check, num_heads)
    if key.shape[: 2 if use_separate_proj_weight else 3] != value.shape[: 2 if use_separate_proj_weight else 3]:
        what = "key's sequence and batch dims" if use_separate_proj_weight else "key shape"
        raise AssertionError(
            f"{what} {key.shape} does not match value {'' if 'dims' in what else 'shape '}{value.shape}"
        )
    if use_separate_proj_weight:
        for name, weight in (("q", q_proj_weight), ("k", k_proj_weight), ("v", v_proj_weight)):
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = _in_projection(query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, *biases)
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        attn_mask = _expanded_attn_mask(attn_mask, batch, num_heads, target, source)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must be both None or both given")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = rushlight.cat([k, bias_k.repeat(1, batch, 1)])
        v = rushlight.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = _pad_masks(attn_mask, key_padding_mask)
    q = _split_heads(q, batch, num_heads, head_dim)
    k = _static(static_k, _split_heads(k, batch, num_heads, head_dim), "static_k", batch * num_heads, head_dim)
    v = _static(static_v, _split_heads(v, batch, num_heads, head_dim), "static_v", batch * num_heads, head_dim)
    if add_zero_attn:
        empty = rushlight.zeros(batch * num_heads, 1, head_dim, dtype=k.dtype, device=k.device)
        k, v = rushlight.cat([k, empty], dim=1), rushlight.cat([v, empty], dim=1)
        attn_mask, key_padding_mask = _pad_masks(attn_mask, key_padding_mask)
    source = k.size(1)
    mask = _merged_mask(attn_mask, key_padding_mask, batch, num_heads, source)
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        output, weights = _attend_with_weights(q, k, v, mask, dropout_p)
        output = output.transpose(0, 1).reshape(target * batch, embed)
        output = _nn.linear(output, out_proj_weight, out_proj_bias).view(target, batch, output.size(-1))
        weights = weights.view(batch, num_heads, target, source)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        return (output, weights) if batched else (output.squeeze(1), weights.squeeze(0))
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.size(0) == 1 else mask.view(batch, num_heads, -1, source)
    q = q.reshape(batch, num_heads, target, head_dim)
    k, v = k.reshape(batch, num_heads, source, head_dim), v.reshape(batch, num_heads, source, head_dim)
    output = _nn.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    output = output.permute(2, 0, 1, 3).reshape(target * batch, embed)
    output = _nn.linear(output, out_proj_weight, out_proj_bias).view(target, batch, output.size(-1))
    return (output if batched else output.squeeze(1)), None


def _merged_mask(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, batch: int, heads: int, source: int
) -> Tensor | None:
    """Both masks as one, of shape (1 or N * heads, L or 1, S)."""
    if key_padding_mask is None:
        return attn_mask
    if key_padding_mask.shape != (batch, source):
        raise AssertionError(f"expecting key_padding_mask shape of {(batch, source)}, but got {key_padding_mask.shape}")
    padding = key_padding_mask.view(batch, 1, 1, source).expand(-1, heads, -1, -1).reshape(batch * heads, 1, source)
    return padding if attn_mask is None else attn_mask + padding
