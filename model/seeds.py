"""One seed, many streams: each part of a model has a path of numbers below the seed, and a generator of its own.

What a part draws depends on the seed and its path alone, not on what others drew before.
"""

import numpy as np

Seed = int | np.random.SeedSequence


def child(seed: Seed, *path: int) -> np.random.SeedSequence:
    """The seed at the end of ``path``; without one, ``seed`` itself."""
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, *path))


def stream(seed: Seed, *path: int) -> np.random.Generator:
    """The generator of :func:`child`."""
    return np.random.Generator(np.random.SFC64(child(seed, *path)))
