"""A binary heap of whole numbers in an array: what finishes first is at the front.

The array is the heap of one replica and `size` its filled part; `heapq` knows neither arrays nor machine code.
"""

from typing import Any

from wharfage_simulator.compiled import compiled


@compiled
def push(heap: Any, size: int, key: int) -> None:
    """Put `key` into a heap of `size`."""
    _rise(heap, size, key)


@compiled
def pop(heap: Any, size: int) -> None:
    """Take the smallest key off a heap of `size`."""
    _sink(heap, size - 1, 0, heap[size - 1])


@compiled
def remove(heap: Any, size: int, place: int) -> None:
    """Take the key at `place` out of a heap of `size`."""
    last = heap[size - 1]
    if place == size - 1:
        return
    if place > 0 and last < heap[(place - 1) >> 1]:
        _rise(heap, place, last)
    else:
        _sink(heap, size - 1, place, last)


@compiled
def _rise(heap: Any, place: int, key: int) -> None:
    while place > 0:
        above = (place - 1) >> 1
        if heap[above] <= key:
            break
        heap[place] = heap[above]
        place = above
    heap[place] = key


@compiled
def _sink(heap: Any, size: int, place: int, key: int) -> None:
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= key:
            break
        heap[place] = heap[below]
        place = below
    heap[place] = key
