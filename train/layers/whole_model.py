"""What is done with all arrays of a model at once: set their noise, listen to an evaluation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from ...model.formats import DesignError, check_integer
from .array import ArrayModule
from .curve import check_curve
from .noise import Noise, check_noise
from .sequence import Trace

GivenNoise = Noise | Mapping[ArrayModule, Noise]  #: one for all arrays, or each array's own
Listener = Callable[[ArrayModule, torch.Tensor, Trace], None]  #: an array, its DAC codes (T, B, m), its trace


def arrays_of(model: nn.Module) -> list[ArrayModule]:
    """The model's arrays in the order of its modules."""
    return [module for module in model.modules() if isinstance(module, ArrayModule)]


def set_noise(
    model: nn.Module,
    *,
    train: GivenNoise | None = None,
    evaluate: GivenNoise | None = None,
    seed: int | None = None,
) -> None:
    """Noise of training and of evaluation, set apart; what is None stays. Arrays count as programmed anew.

    One for all arrays, or each array's own (:mod:`.signal`); an array that a mapping does not have keeps its noise.

    All arrays draw from one stream from now on, so that no two have the same noise; ``seed`` starts it again. Raises
    :class:`DesignError` for a model without arrays.
    """
    arrays = arrays_of(model)
    if not arrays:
        raise DesignError("a model with noise must have at least one quantised layer, but it has none")
    own = [{} if n is None else n if isinstance(n, Mapping) else dict.fromkeys(arrays, n) for n in (train, evaluate)]
    for given in own:
        others = len(given.keys() - set(arrays))
        if others:
            raise DesignError(f"noise must be of the model's own arrays, but {others} of {len(given)} are another's")
        for noise in given.values():
            check_noise(noise)
    source = arrays[0].source
    if seed is not None:
        source.seed(check_integer("noise seed", seed, 0, 2**63 - 1))
    for array in arrays:
        array.source = source
        array.train_noise = own[0].get(array, array.train_noise)
        array.eval_noise = own[1].get(array, array.eval_noise)
        array.program()


def set_curve(model: nn.Module, curve: float) -> None:
    """Train all arrays for nonlinear cells that are read at ``curve`` times their V0 (docs/array.md); 0: linear ones.

    Evaluations stay linear. Noise of DACs is added to the bent rows.
    """
    for array in arrays_of(model):
        array.curve = check_curve(curve)


def listen_to_inputs(array: ArrayModule, listener: Callable[[ArrayModule, torch.Tensor], None]):
    """Tell ``listener`` of an array's real inputs, given by place or by name, until the handle is removed."""

    def see(array, arguments, named):
        listener(array, arguments[0] if arguments else next(iter(named.values())))

    return array.register_forward_pre_hook(see, with_kwargs=True)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation and without gradients; afterwards every module is in its own mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def without_noise(model: nn.Module) -> Iterator[None]:
    """No noise of evaluation, and no draw from its stream."""
    before = {array: array.eval_noise for array in arrays_of(model)}
    try:
        for array in before:
            array.eval_noise = Noise()
        yield
    finally:
        for array, noise in before.items():
            array.eval_noise = noise


@contextmanager
def listening(model: nn.Module, arrays: Sequence[ArrayModule], listener: Listener) -> Iterator[None]:
    """As :func:`evaluating`, ``listener`` told of every call of ``arrays``."""
    with evaluating(model):
        try:
            for array in arrays:
                array.recorder = listener
            yield
        finally:
            for array in arrays:
                array.recorder = None
