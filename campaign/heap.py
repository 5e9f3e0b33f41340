"""Keeps the garbage collector from what was there before a campaign: the imported programs above all.

A full collection walks through all of that, stops the event loop for a tenth of a second meanwhile, and finds nothing.
Over 3,000 calls that took a twelfth of the processor time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """For the length of the block, collections look only at what was made in it.

    Garbage that was there already is collected afterwards. Of two blocks at once, the first that ends ends both, which
    costs the other some time and nothing else.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
