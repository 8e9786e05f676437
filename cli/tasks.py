"""What ``train`` learns: classes or values of sequences, or the next token of a text."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.design import Design
from ..model.formats import DesignError
from ..report.results import UNITS

if TYPE_CHECKING:
    from ..train.usage import CodeUsage

HISTOGRAM = 512  #: sequences that histograms of codes are of, at most
SEEDED = ("seed", "floating")  #: fields of a configuration in which the trainings of a run folder differ
Progress = Callable[[int, int, str], None]  #: parts done, of all, what the last one gave
Trained = tuple[dict[str, float], "list[CodeUsage] | None"]  #: scores by name; codes of a quantised network


def dataset_of(design: Design, given: str | None) -> str:
    """The data set that a command was given, else the design's own, else vowels.

    Raises :class:`DesignError` for a design that has none of its own and does not fit vowels.
    """
    from ..train.data.datasets import DATASETS, TEXTS, vowels
    from ..train.training import check_fit

    known = (*DATASETS, *TEXTS)
    if given is not None or design.name in known:
        return given or design.name
    try:
        check_fit(design, vowels())
    except DesignError as error:
        raise DesignError(
            f"--dataset must be given for design {design.name!r}, which has no data set of its own: "
            f"{', '.join(known)}; {error}"
        ) from None
    return "vowels"


def task_of(design: Design, dataset: str, data: Path | None) -> "SequenceTask | TextTask":
    """What ``design`` is to learn. Raises :class:`DesignError` where the data are not there or do not fit."""
    from ..train.data.datasets import TEXTS

    return (TextTask if dataset in TEXTS else SequenceTask)(design, dataset, data)


class SequenceTask:
    """Classes or values of the sequences of a data set."""

    def __init__(self, design: Design, dataset: str, data: Path | None) -> None:
        from ..train.data.datasets import load_dataset
        from ..train.training import check_fit

        self.design, self.dataset = design, load_dataset(dataset, data)
        self.name, self.checksum = self.dataset.name, self.dataset.checksum
        scores = ("rmse", "mae") if self.dataset.has_values else ("accuracy",)
        self.units = {name: UNITS[name] for name in (*scores, "clipped")}  #: of the scores, by name
        check_fit(design, self.dataset)

    def config(self, seed: int, floating: bool, protocol: dict[str, Any], noise: dict[str, Any]):
        """The data set's protocol with what was given."""
        from ..train.recipe import usual_config

        usual, chosen = usual_config(self.dataset), dict(protocol)
        drawn = replace(usual.train_noise, **noise)
        if chosen.get("quantiser") == "sawb":
            chosen["range_noise"] = drawn.weight
        return replace(usual, seed=seed, floating=floating, train_noise=drawn, **chosen)

    def common(self, config) -> dict[str, Any]:
        """What all trainings of a run share."""
        return {name: value for name, value in config.to_dict().items() if name not in SEEDED}

    def train(self, config, checkpoint: Path, progress: Progress) -> Trained:
        """Train, or go on."""
        from ..train.training import train
        from ..train.usage import usage_of_sequences

        def told(done: int, total: int, loss: float) -> None:
            progress(done, total, f"loss {loss:.4f}" + " nats" * (not self.dataset.has_values))

        result = train(self.design, self.dataset, config, checkpoint=checkpoint, progress=told)
        network, test = result.network, self.dataset.test
        if network is None:
            return result.scores, None
        looked_at = test.take(np.linspace(0, len(test) - 1, min(HISTOGRAM, len(test))).astype(int))
        return result.scores, usage_of_sequences(result.model, looked_at, network.input_scale, network.input_offset)

    def told(self, scores: dict[str, float]) -> str:
        """A training's scores in words."""
        if self.dataset.has_values:
            deviation = np.sqrt(np.square(self.dataset.output_range()[0]).mean())
            return (
                f"test RMSE {scores['rmse']:.4g}, MAE {scores['mae']:.4g} (the values' own deviation {deviation:.4g})"
            )
        return f"test accuracy {100 * scores['accuracy']:.2f} %"


class TextTask:
    """The next token of a text: characters of surnames, words of the Penn Treebank."""

    def __init__(self, design: Design, dataset: str, data: Path | None) -> None:
        from ..train.language.protocols import check_design
        from ..train.language.texts import Text

        self.design, self.name, self.checksum = design, dataset, ""
        self.text = Text.read(dataset, data)
        self.units = {name: UNITS[f"{dataset} {name}"] for name in self.text.measures} | {"clipped": UNITS["clipped"]}
        check_design(design, dataset, self.text.tokens)

    def config(self, seed: int, floating: bool, protocol: dict[str, Any], noise: dict[str, Any]):
        """The text's protocol with what was given; noise is that of training and of evaluation."""
        from ..train.language.protocols import design_protocol
        from ..train.layers.noise import Noise

        drawn = Noise(**noise)
        return design_protocol(
            self.design, self.name, self.text.tokens, seed=seed, floating=floating, noise=drawn, **protocol
        )

    def common(self, config) -> dict[str, Any]:
        """What all trainings of a run share."""
        return {name: value for name, value in asdict(config).items() if name not in SEEDED}

    def train(self, config, checkpoint: Path, progress: Progress) -> Trained:
        """Train, or go on."""
        from ..train.language.descent import epoch_note
        from ..train.usage import code_usage

        def told(done: int, total: int, perplexity: float) -> None:
            progress(done, total, epoch_note(done, total, config.epochs, perplexity))

        result = self.text.train(config, told, design=self.design, checkpoint=checkpoint)
        if config.quant.is_float:
            return result.final, None
        tokens, _ = self.text.examples(HISTOGRAM)
        return result.final, code_usage(result.model, lambda: result.model.evaluate(tokens))

    def told(self, scores: dict[str, float]) -> str:
        """A training's scores in words."""
        accuracy = f", accuracy {100 * scores['accuracy']:.2f} %" if "accuracy" in scores else ""
        return f"perplexity {scores['perplexity']:.3f}{accuracy}"
