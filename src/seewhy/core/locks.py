"""Locks of this process that a forked child can use."""

import os
from contextlib import AbstractContextManager
from threading import RLock


def fork_safe_lock() -> AbstractContextManager[bool]:
    """Return a reentrant lock that nobody holds in a child that is forked while a thread of the parent holds it."""
    lock = RLock()
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
