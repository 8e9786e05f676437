"""What the trainings of names and of words share: a seeded beginning, the steps of Adam, a result."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ...model.design import Design
from ...model.formats import DesignError
from ..epochs import keep_in_bounds
from .config import LanguageConfig
from .model import LanguageModel
from .warm import start_from

Progress = Callable[[int, int, float], None]  #: steps done, of all steps, training perplexity of the epoch so far


def epoch_note(done: int, total: int, epochs: int, perplexity: float) -> str:
    """Progress in words: ``done`` of ``total`` steps in ``epochs``."""
    return f"epoch {-(-done * epochs // total)} of {epochs}, perplexity {perplexity:.2f}"


@dataclass(frozen=True)
class LanguageResult:
    """Per epoch and at the end: perplexities per token, accuracies 0..1; and the trained model."""

    epochs: tuple[dict, ...]
    final: dict
    model: LanguageModel = field(compare=False)


def own_random_numbers(device: str):
    """A context in which random numbers of the CPU and of ``device`` are drawn apart from the caller's."""
    return torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else [])


def begin(
    tokens: int,
    config: LanguageConfig,
    device: str,
    design: Design | None = None,
    start: LanguageModel | None = None,
    typical: torch.Tensor | None = None,
):
    """Model and optimiser; every random number of the run follows from the seed.

    ``start`` is a model to begin from, :func:`.warm.start_from`, with its ``typical`` tokens.
    """
    torch.manual_seed(config.seed)
    model = LanguageModel(tokens, config, design).to(device)
    model.source.seed(config.seed)
    if config.distil and (start is None or not start.config.quant.is_float):
        raise DesignError("a training that distils must start from a float model, which is the teacher")
    if start is not None:
        assert typical is not None
        start_from(model, start, typical)
    fused = model.device.type in ("cpu", "cuda")
    return (
        model,
        torch.optim.Adam(model.parameters(), config.learning_rate, fused=fused),
        torch.Generator().manual_seed(config.seed),
    )


def set_out(model: LanguageModel, done: float) -> None:
    """Ahead of the step after ``done`` (0..1) of a run: the noise of training grows."""
    if model.config.noise_ramp:
        for array in model.arrays:
            array.train_noise = model.config.noise_at(done)


def descend(model: LanguageModel, optimiser, loss: torch.Tensor, done: float) -> None:
    """A step of Adam after ``done`` (0..1) of a run."""
    for group in optimiser.param_groups:
        group["lr"] = model.config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), model.config.clip_norm)
    optimiser.step()
    if model.config.weight_clip:
        keep_in_bounds(model, model.config.weight_clip)
