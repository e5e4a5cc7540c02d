"""The small kernels of a decoder layer, written in Triton, for `kernels_gpu` to time: what engines bring of their own.

Attention of one new token over a paged cache reads each page once for all heads that share it and splits long contexts
over programs, as engines' kernels do. `TRITON_INTERPRET=1` runs all of this on a CPU.
"""

# Triton evaluates the annotations of a kernel and knows none but its own.
# mypy: disable-error-code="no-untyped-def"

import torch
import triton
import triton.language as tl
from torch import Tensor

PAGE = 16  # tokens


def _decode(
    q,
    keys,
    values,
    pages,
    partial,
    maxima,
    sums,
    context,
    per_split,
    scale,
    HEADS: tl.constexpr,  # noqa: N803
    GROUP: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    PAGED: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
):
    sequence, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    splits = tl.num_programs(2)
    rows, columns = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    real = rows < GROUP
    first = (sequence * HEADS + head) * GROUP + rows
    query = tl.load(q + first[:, None] * WIDTH + columns[None, :], mask=real[:, None], other=0.0)
    most = tl.full([ROWS], -1e30, tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    summed = tl.zeros([ROWS, WIDTH], tl.float32)
    begin = split * per_split
    end = tl.minimum(begin + per_split, context)
    table = pages + sequence * ((context + PAGED - 1) // PAGED)
    for start in range(begin, end, BLOCK):
        tokens = start + tl.arange(0, BLOCK)
        inside = tokens < end
        page = tl.load(table + tokens // PAGED, mask=inside, other=0).to(tl.int64)
        place = ((page * PAGED + tokens % PAGED) * HEADS + head) * WIDTH
        key = tl.load(keys + place[None, :] + columns[:, None], mask=inside[None, :], other=0.0)
        score = tl.where(inside[None, :], tl.dot(query, key) * scale, -1e30)
        higher = tl.maximum(most, tl.max(score, 1))
        weight = tl.exp(score - higher[:, None])
        kept = tl.exp(most - higher)
        value = tl.load(values + place[:, None] + columns[None, :], mask=inside[:, None], other=0.0)
        summed = summed * kept[:, None] + tl.dot(weight.to(value.dtype), value)
        total = total * kept + tl.sum(weight, 1)
        most = higher
    at = first * splits + split
    tl.store(partial + at[:, None] * WIDTH + columns[None, :], summed, mask=real[:, None])
    tl.store(maxima + at, most, mask=real)
    tl.store(sums + at, total, mask=real)


def _joined(
    partial,
    maxima,
    sums,
    out,
    splits,
    WIDTH: tl.constexpr,  # noqa: N803
    MOST: tl.constexpr,  # noqa: N803
):
    head = tl.program_id(0)
    columns, parts = tl.arange(0, WIDTH), tl.arange(0, MOST)
    inside = parts < splits
    most = tl.load(maxima + head * splits + parts, mask=inside, other=-1e30)
    weight = tl.exp(most - tl.max(most, 0))
    total = tl.sum(weight * tl.load(sums + head * splits + parts, mask=inside, other=0.0), 0)
    rows = tl.load(
        partial + (head * splits + parts)[:, None] * WIDTH + columns[None, :], mask=inside[:, None], other=0.0
    )
    joined = tl.sum(rows * weight[:, None], 0) / total
    tl.store(out + head * WIDTH + columns, joined.to(out.dtype.element_ty))


def _norm(x, residual, weight, out, width, BLOCK: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64) * width
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    both = tl.load(x + row + columns, mask=inside, other=0.0).to(tl.float32)
    both += tl.load(residual + row + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(residual + row + columns, both.to(residual.dtype.element_ty), mask=inside)
    scale = tl.rsqrt(tl.sum(both * both, 0) / width + 1e-6)
    scaled = both * scale * tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row + columns, scaled.to(out.dtype.element_ty), mask=inside)


def _gated(x, out, width, BLOCK: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    gate = tl.load(x + row * 2 * width + columns, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(x + row * 2 * width + width + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + columns, (gate * tl.sigmoid(gate) * up).to(out.dtype.element_ty), mask=inside)


def _rotary(x, angles, stride, HALF: tl.constexpr):  # noqa: N803
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    columns = tl.arange(0, HALF)
    at = x + token * stride + head * 2 * HALF + columns
    angle = tl.load(angles + token * HALF + columns)
    cos, sin = tl.cos(angle), tl.sin(angle)
    low, high = tl.load(at).to(tl.float32), tl.load(at + HALF).to(tl.float32)
    tl.store(at, (low * cos - high * sin).to(x.dtype.element_ty))
    tl.store(at + HALF, (high * cos + low * sin).to(x.dtype.element_ty))


_decode_kernel, _joined_kernel, _norm_kernel, _gated_kernel, _rotary_kernel = map(
    triton.jit, (_decode, _joined, _norm, _gated, _rotary)
)


def decode_attention(
    q: Tensor, keys: Tensor, values: Tensor, pages: Tensor, context: int, *, splits: int, block: int, stages: int
) -> Tensor:
    """Attention of `q` (sequences, KV heads x group, width) over pages (page, token, KV head, width) of a cache.

    `pages` (sequences, pages of one) names the pages of each sequence; all have the same context.
    """
    sequences, query_heads, width = q.shape
    heads = keys.shape[2]
    group = query_heads // heads
    partial = torch.empty((sequences * query_heads * splits, width), dtype=torch.float32, device=q.device)
    maxima = torch.empty(len(partial), dtype=torch.float32, device=q.device)
    sums = torch.empty_like(maxima)
    out = torch.empty_like(q)
    per_split = -(-context // (splits * block)) * block
    _decode_kernel[(sequences, heads, splits)](
        q,
        keys,
        values,
        pages,
        partial,
        maxima,
        sums,
        context,
        per_split,
        width**-0.5,
        HEADS=heads,
        GROUP=group,
        ROWS=max(16, triton.next_power_of_2(group)),
        WIDTH=width,
        PAGED=PAGE,
        BLOCK=block,
        num_warps=4,
        num_stages=stages,
    )
    most = max(2, triton.next_power_of_2(splits))
    _joined_kernel[(sequences * query_heads,)](partial, maxima, sums, out, splits, WIDTH=width, MOST=most)
    return out


def add_and_norm(x: Tensor, residual: Tensor, weight: Tensor) -> Tensor:
    """The root-mean-square norm of x + residual; `residual` becomes that sum."""
    out = torch.empty_like(x)
    width = x.shape[1]
    _norm_kernel[(len(x),)](
        x, residual, weight, out, width, BLOCK=triton.next_power_of_2(width), num_warps=8 if width > 2048 else 4
    )
    return out


def gated(x: Tensor) -> Tensor:
    """The first half of each row through SiLU, times the second."""
    width = x.shape[1] // 2
    out = torch.empty((len(x), width), dtype=x.dtype, device=x.device)
    _gated_kernel[(len(x), triton.cdiv(width, 2048))](x, out, width, BLOCK=2048, num_warps=4)
    return out


def rotary(x: Tensor, heads: int, width: int, angles: Tensor) -> None:
    """Rotates the first `heads` heads of each row in place; `angles` (rows, width / 2)."""
    _rotary_kernel[(len(x), heads)](x, angles, x.shape[1], HALF=width // 2, num_warps=1)
