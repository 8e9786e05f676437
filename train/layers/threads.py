"""Threads of torch: its own products and totals sum in an order that depends on their number."""

from contextlib import contextmanager

import torch


@contextmanager
def single_thread():
    """One thread: sums in one order, so the same bytes; small networks are no slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
