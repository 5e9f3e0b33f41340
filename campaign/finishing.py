"""Finishing what must not be left half done, although whoever asked for it is cancelled meanwhile."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Do some work to its end, then let a cancellation that came meanwhile through.

    Returns:
        What the work returns.

    Raises:
        asyncio.CancelledError: The caller was cancelled, however often; the work is done.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        raise
