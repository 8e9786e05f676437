"""One BLAS thread around products that are too small to share. Here because every folder may import it.

BLAS starts a thread for each core. On a machine that has other work the threads of a small product wait for each
other, which can take a hundred times as long as the product itself.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_open = 0  #: contexts, in any thread
_usual = None  #: the user's setting, while there are some


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this context, or a function that it decorates, BLAS has one thread in the whole process.

    Contexts may overlap, also in several threads: the user's setting comes back when the last one ends.
    """
    global _open, _usual
    with _lock:
        if not _open:
            _usual = _blas(len(sys.modules)).limit(limits=1)
        _open += 1
    try:
        yield
    finally:
        with _lock:
            _open -= 1
            if not _open and _usual is not None:
                _usual.restore_original_limits()


@lru_cache(maxsize=1)
def _blas(modules: int) -> ThreadpoolController:
    """The BLAS libraries that are loaded. Looking takes milliseconds, so only once for as many ``modules``."""
    return ThreadpoolController().select(user_api="blas")
