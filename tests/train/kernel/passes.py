"""A pass of a layer and its gradients: of the kernel and of the eager path, at several numbers of threads."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from ohmgate.train.layers.config import QuantConfig


def perhaps_shifted(config: QuantConfig, inputs: int, rows: int, rng: np.random.Generator) -> QuantConfig:
    """``config``, by chance with an input tile shift, where an array has tiles with inputs and tiles without."""
    tiles = config.row_slices(rows)
    mixed = 0 < sum(tile.start < inputs for tile in tiles) < len(tiles)
    own = rng.spawn(1)[0]
    return replace(config, input_tile_shift=int(own.integers(1, 5))) if mixed and own.random() < 0.5 else config


def passed(layer, x, state, seed: int):
    """All that a layer computes (parts, T, B, n), and the gradients of all that it computes it from.

    ``state``: None, or what the layer takes: one tensor of an RNN, two of an LSTM.
    """
    given_x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    parts = () if state is None else (state,) if isinstance(state, torch.Tensor) else state
    leaves = [part.clone().requires_grad_() for part in parts]
    given_state = None if state is None else leaves[0] if isinstance(state, torch.Tensor) else tuple(leaves)
    layer.source.seed(seed)
    layer.program()
    layer.zero_grad()
    torch.manual_seed(seed)  # of the dropped inputs
    made = layer(given_x, given_state)
    weights = torch.linspace(-1, 1, made[0].numel()).view_as(made[0])
    sum((part * w).sum() for part, w in zip(made, (weights, weights.flip(0), weights))).backward()
    leaves = [given_x, *leaves, *layer.parameters()]
    return torch.stack(made).detach(), [leaf.grad for leaf in leaves]


def agreeing(layers, x, state, seed: int) -> None:
    """Both layers have the same codes, and gradients equal to rounding."""
    (values, grads), (values_eager, grads_eager) = (passed(layer, x, state, seed) for layer in layers)
    if layers[0].config.adc_bits == 32:  # float activations: not the same library functions
        assert torch.allclose(values, values_eager, atol=1e-5)
    else:
        assert torch.equal(values, values_eager)
    whole, whole_eager = (torch.cat([g.flatten() for g in part]) for part in (grads, grads_eager))
    assert (whole - whole_eager).norm() <= 1e-5 * whole_eager.norm()
    for ours, theirs in zip(grads, grads_eager):  # a learned range's is a sum that cancels
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm() + 1e-6 * whole_eager.norm()


@contextmanager
def threads(count: int):
    """torch with so many threads, though there may be fewer processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def equal_bits(layer, x, state, seed: int) -> None:
    """A pass and its gradients have the same bits at 1, 2, 3 and 4 threads."""
    results = []
    for count in (1, 2, 3, 4):
        with threads(count):
            results.append(passed(layer, x, state, seed))
    first, *others = results
    for values, grads in others:
        assert torch.equal(values, first[0])
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(grads, first[1]))
