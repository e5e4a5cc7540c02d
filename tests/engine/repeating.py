"""Something that is done again and again, beside a block of a test, until the block ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(step: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Take a step after each pause; one that fails ends it, and is raised at the end of the block."""
    stop, trouble = threading.Event(), list[Exception]()

    def run() -> None:
        while not stop.wait(every_s):
            try:
                step()
            except Exception as error:
                trouble.append(error)
                return

    thread = threading.Thread(target=run, name="repeating")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if trouble:
            raise trouble[0]
