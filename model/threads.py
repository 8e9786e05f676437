"""One BLAS thread around products that are too small to share. Here because every folder may import it.

BLAS starts a thread for each core. On a machine that has other work the threads of a small product wait for each
other, which can take a hundred times as long as the product itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this context, or a function that it decorates, BLAS has one thread in the whole process."""
    with _blas().limit(limits=1):
        yield


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that are loaded; looking for them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")
