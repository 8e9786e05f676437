"""A language model that begins with the weights of another: of float ones to be quantised, or to be distilled."""

import torch
from torch.nn import functional

from ...model.formats import DesignError
from ..calibrate import calibrate
from ..data.content import content_hash
from ..layers.array import ArrayModule
from ..layers.whole_model import without_noise
from ..warm import copy_weights
from .model import LanguageModel


def start_from(model: LanguageModel, source: LanguageModel, typical: torch.Tensor) -> None:
    """Give ``model`` the weights of ``source``, a model of like layers, and calibrate the ranges of its arrays.

    ``typical`` (T, B) are tokens of a training text. Raises :class:`DesignError` where layers differ.
    """
    check_start(model, source)
    copy_weights(model, source)
    for name, part in model.named_children():
        if name in ("embedding", "softmax") and not isinstance(part, ArrayModule):
            part.load_state_dict(getattr(source, name).state_dict())
    if model.config.quant.is_float:
        return
    for array in model.arrays:
        array.start_ranges()
    with without_noise(model):
        calibrate(model, lambda: model.evaluate(typical.T.cpu().numpy()))


def check_start(model: LanguageModel, source: LanguageModel) -> None:
    """Raise :class:`DesignError` where ``source`` has other layers than ``model``."""
    wanted, found = (_layers(one) for one in (model, source))
    if wanted != found:
        raise DesignError(f"a start must have the layers of the model, {wanted}, but has {found}")
    if any(array.holds_integers for array in source.arrays):
        raise DesignError("a start must have real weights, not the integers of a description")


def _layers(model: LanguageModel) -> str:
    shapes = ", ".join(f"{rows} x {columns}" for rows, columns in (array.cells.shape for array in model.arrays))
    borders = "".join(f", {border}" for border in model.config.cutoffs)
    inputs = f"an embedding of {model.config.embedding}" if model.config.embedding else "one-hot inputs"
    return f"{inputs}, arrays of {shapes}, a softmax up to {model.tokens}{borders}"


def start_hash(start: LanguageModel) -> str:
    """SHA-256 of all weights: what a run knows its start by."""
    return content_hash([value.cpu().numpy() for value in start.state_dict().values()], ())


def said(teacher: LanguageModel, tokens: torch.Tensor, state=None):
    """Log shares (T, B, k) that ``teacher`` gives after ``tokens`` (T, B), and its state."""
    with torch.no_grad():
        hidden, state = teacher.eval()(tokens, state)
        return teacher.log_shares(hidden), state


def distance(model: LanguageModel, hidden: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Kullback and Leibler's divergence of what ``model`` gives from ``taught``, log shares: a mean over tokens."""
    shares = model.log_shares(hidden).flatten(0, -2)
    return functional.kl_div(shares, taught.flatten(0, -2), reduction="batchmean", log_target=True)
