"""Arrays with the noise of a board's digital twins: the same integers as its gateware."""

import numpy as np

from ..model.integer_noise import IntegerNoise, noisy_codes
from ..model.network import Network
from ..model.reference import Convert, steps_read


def integer_noise_codes(network: Network, noise: IntegerNoise, lengths: np.ndarray, steps: int) -> Convert:
    """Reads the noisy arrays of ``network`` in one run of :func:`ohmgate.model.reference.run`.

    The sequences of ``lengths`` (B,), padded to ``steps``, go through the board one after the other. Each array
    counts the time steps in which it is read, from 0 when the count was begun anew.
    """
    read = [steps_read(layer, lengths, steps) for layer in network.design.layers]
    number = [np.maximum(np.cumsum(r) - 1, 0).reshape(r.shape) for r in read]  # past a sequence's end: any
    turn = [0] * len(read)

    def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        at = number[index][:, turn[index]]
        turn[index] += 1
        return noisy_codes(noise, index, network.design.layers[index], network.layers[index], drive, at)

    return convert
