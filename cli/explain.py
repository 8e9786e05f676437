"""``ohmgate train --explain``: which rule chose what, and what a data set's numbers become as codes."""

from pathlib import Path
from typing import Any

from ..model.design import Design
from ..model.formats import DesignError
from .console import say
from .tasks import SequenceTask, dataset_of, task_of

SHOWN = 5  #: channels that are named, at most


def explain(
    design: Design, dataset: str | None, data: Path | None, protocol: dict[str, Any], noise: dict[str, Any]
) -> None:
    """Say how ``design`` would be trained, and train nothing. The rest is as for :func:`.training.train_run`.

    Raises :class:`DesignError` for a text, whose protocols know no rules.
    """
    from ..train.recipe import has_protocol, rules

    task = task_of(design, dataset_of(design, dataset), data)
    if not isinstance(task, SequenceTask):
        raise DesignError(
            f"--explain must be of sequences; {task.name} has a protocol of its own, see docs/sweeps.md"
        )
    config = task.config(0, False, protocol, noise)
    fixed = has_protocol(design, task.dataset)
    why = {} if fixed else {rule.field: rule.why for rule in rules(design, task.dataset)}
    own = f"protocol of {task.name}" if fixed else "default"
    for name, value in config.to_dict().items():
        if name in ("seed", "floating", "train_noise", "eval_noise"):
            continue
        reason = "given" if name in protocol else why.get(name, own)
        say(f"{name:<16} {value!s:<10} {reason}")
    _inputs(task, config.deviations, config.input_range)


def _inputs(task: SequenceTask, deviations: float, by: str) -> None:
    """What becomes of the training set's numbers in the first layer's DACs."""
    bits = task.design.layers[0].input_bits
    still = task.dataset.constant_channels()
    found = task.dataset.input_range(deviations, bits=bits if by == "error" else None)
    clipped, zero = task.dataset.input_codes(*found, bits)
    say(f"\ninputs as {bits}-bit codes: {clipped.mean():.1%} clip, {zero.mean():.1%} are 0")
    if len(still):
        say(f"channels that never change: {_listed(still)}")
    silent = [channel for channel in range(len(zero)) if zero[channel] > 0.99 and channel not in still]
    if silent:
        say(f"channels that are nearly always 0: {_listed(silent)}")


def _listed(channels) -> str:
    more = f" and {len(channels) - SHOWN} more" if len(channels) > SHOWN else ""
    return ", ".join(map(str, channels[:SHOWN])) + more
