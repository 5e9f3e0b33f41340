"""Old objects are left alone for the length of the block, and are collected again after it."""

import gc
import weakref

from campaign.heap import old_objects_left_alone


class Node:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


def test_what_was_there_before_is_not_looked_at_and_what_is_new_is() -> None:
    gc.collect()
    old = weakref.ref(Node())
    with old_objects_left_alone():
        new = weakref.ref(Node())
        gc.collect()
        assert new() is None
        assert old() is not None, "it was walked through"
    gc.collect()
    assert old() is None
    assert gc.get_freeze_count() == 0
