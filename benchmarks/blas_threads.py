"""What BLAS's threads cost in array reads, interleaved: as many as there are cores, and one.

    python benchmarks/blas_threads.py --busy 2

``--busy`` starts processes that only count, as other work on the machine would.
"""

import argparse
import multiprocessing
import time
from contextlib import nullcontext
from typing import Any

import numpy as np

from ohmgate.model.threads import one_blas_thread

SIZES = ((64, 45, 128), (256, 45, 128), (64, 356, 1024))  #: batch, rows, columns: vowels twice, names


def count() -> None:
    """Keep a core busy."""
    while True:
        sum(range(10**6))


def mean_seconds(drive: np.ndarray, weights: np.ndarray, repeats: int) -> float:
    """Of a product."""
    began = time.perf_counter()
    for _ in range(repeats):
        np.matmul(drive, weights)
    return (time.perf_counter() - began) / repeats


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    others = [multiprocessing.Process(target=count, daemon=True) for _ in range(options.busy)]
    for other in others:
        other.start()
    rng = np.random.default_rng(0)
    print("| batch x rows x columns | usual threads, us | one, us | ratio |\n| --- | ---: | ---: | ---: |")
    for batch, rows, columns in SIZES:
        drive = rng.normal(size=(batch, rows)).astype(np.float32)
        weights = rng.normal(size=(rows, columns)).astype(np.float32)
        seconds: dict[Any, list[float]] = {nullcontext: [], one_blas_thread: []}
        for _ in range(options.rounds):
            for threads, found in seconds.items():
                with threads():
                    found.append(mean_seconds(drive, weights, 50))
        usual, one = (1e6 * float(np.median(found)) for found in seconds.values())
        print(f"| {batch} x {rows} x {columns} | {usual:.0f} | {one:.0f} | {usual / one:.1f} |")
    for other in others:
        other.terminate()


if __name__ == "__main__":
    main()
