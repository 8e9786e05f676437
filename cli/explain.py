"""``ohmgate train --explain``: which rule chose what, and what a data set's numbers become as codes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..model.design import Design
from ..model.formats import DesignError
from .console import say
from .tasks import SequenceTask, dataset_of, task_of


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
    unused = "seed", "floating", "eval_noise", "deviations" if config.input_range == "error" else "input_range"
    for name, value in asdict(config).items():
        if name in unused:
            continue
        reason = "given" if name in protocol or (name == "train_noise" and noise) else why.get(name, own)
        shown = noise_text(config.train_noise.to_dict()) if name == "train_noise" else str(value)
        say(f"{name:<16} {shown:<10} {reason}")
    clipped, zero = task.input_codes(config)
    bits = task.design.layers[0].input_bits
    say(f"\ninputs as {bits}-bit codes: {clipped.mean():.1%} clip, {zero.mean():.1%} are 0")
    for line in task.remarks(config):
        say(line)


def noise_text(noise: dict[str, Any]) -> str:
    """The kinds of noise that there are."""
    kinds = {name: value for name, value in noise.items() if name != "redraw" and value}
    level = kinds.pop("level", ())
    told = [f"{name} {value:.3g}" for name, value in kinds.items()]
    return ", ".join(told + ["level " + " ".join(f"{each:.3g}" for each in level)] * bool(level)) or "none"
