"""What ``train`` learns: classes or values of sequences, or the next token of a text."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model.design import Design
from ..model.formats import DesignError
from ..model.metrics import confusion_counts, recalls, rmse_by_output
from ..report.results import TRAINING_UNITS, UNITS

if TYPE_CHECKING:
    from ..train.usage import CodeUsage

SILENT = 0.995  #: share of a channel's codes that are 0: it tells next to nothing
SHOWN = 5  #: channels that are named, at most
HISTOGRAM = 512  #: sequences that histograms of codes are of, at most
SEEDED = ("seed", "floating")  #: fields of a configuration in which the trainings of a run folder differ
Progress = Callable[[int, int, str], None]  #: parts done, of all, what the last one gave
UNEVEN = 4  #: times the smallest class of a test set, from which on the largest one hides it
FEW = 64  #: classes of which results.json has recall and confusion, at most


@dataclass(frozen=True)
class Trained:
    """What a training gave."""

    scores: dict[str, float]  #: by name
    usage: "list[CodeUsage] | None"  #: codes of a quantised network
    more: dict[str, Any]  #: further parts of results.json, by their keys


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
        values = self.dataset.has_values
        self.scores = ("rmse", "mae") if values else ("accuracy", "balanced_accuracy")
        self.more = ("rmse_by_output",) if values else ("recall", "confusion") * (len(self.dataset.classes) <= FEW)
        self.units = {
            name: TRAINING_UNITS[name] for name in (*self.scores, *self.more, "epochs", "clipped")
        }  #: by name
        check_fit(design, self.dataset)

    def config(self, seed: int, floating: bool, protocol: dict[str, Any], noise: dict[str, Any]):
        """The data set's protocol with what was given."""
        from ..train.layers.noise import Noise
        from ..train.recipe import usual_config
        from ..train.training import check_training

        usual, chosen = usual_config(self.design, self.dataset), dict(protocol)
        drawn = replace(Noise() if "snr" in chosen else usual.train_noise, **noise)
        if chosen.get("quantiser") == "sawb":
            chosen["range_noise"] = drawn.weight
        config = replace(usual, seed=seed, floating=floating, train_noise=drawn, **chosen)
        check_training(self.dataset, config)
        return config

    def check_start(self, config, source: Path | None) -> None:
        """Raise :class:`DesignError` for a checkpoint that a training cannot begin with, or one that is missing."""
        from ..train.training import check_signals, check_teacher, float_network, initial
        from ..train.warm import check_start

        check_signals(config, source)
        network = None if source is None else float_network(source)
        check_teacher(self.dataset, config, network)
        if network is not None:
            check_start(initial(self.design, config), network)

    def input_codes(self, config) -> tuple[np.ndarray, np.ndarray]:
        """Shares of each channel's numbers in the training set that the first DACs clip, and whose code is 0."""
        bits = self.design.layers[0].input_bits
        by_error = config.input_range == "error"
        scale, offset = self.dataset.input_range(config.deviations, bits=bits if by_error else None)
        return self.dataset.input_codes(scale, offset, bits)

    def remarks(self, config) -> list[str]:
        """Lines on channels that tell the network next to nothing; none where there are none."""
        still, (_, zero) = self.dataset.constant_channels(), self.input_codes(config)
        silent = [channel for channel in np.flatnonzero(zero > SILENT) if channel not in still]
        lines = {"never change": still, "are nearly always code 0": silent}
        return [f"channels that {what}: {_listed(found)}" for what, found in lines.items() if len(found)]

    def common(self, config) -> dict[str, Any]:
        """What all trainings of a run share."""
        return {name: value for name, value in config.to_dict().items() if name not in SEEDED}

    def train(self, config, checkpoint: Path, progress: Progress, start: Path | None) -> Trained:
        """Train, or go on; begin with the weights of the checkpoint ``start``."""
        from ..train.training import train
        from ..train.usage import usage_of_sequences

        def told(done: int, total: int, epoch) -> None:
            note = f"loss {epoch.loss:.4f}" + " nats" * (not self.dataset.has_values)
            if epoch.validation_score is not None:
                note += f", validation {self.score_in_words(epoch.validation_score)}"
            progress(done, total, note)

        result = train(self.design, self.dataset, config, start=start, checkpoint=checkpoint, progress=told)
        more = {"epochs": [asdict(epoch) for epoch in result.epochs], **self._details(result.predictions)}
        network, test = result.network, self.dataset.test
        if network is None:
            return Trained(result.scores, None, more)
        looked_at = test.take(np.linspace(0, len(test) - 1, min(HISTOGRAM, len(test))).astype(int))
        usage = usage_of_sequences(result.model, looked_at, network.input_scale, network.input_offset)
        return Trained(result.scores, usage, more)

    def _details(self, predictions: np.ndarray) -> dict[str, Any]:
        """How good each class or output is."""
        test = self.dataset.test
        if self.dataset.has_values:
            found = rmse_by_output(predictions, test.labels, test.lengths).tolist()
            return {"rmse_by_output": dict(zip(self.dataset.outputs or map(str, range(len(found))), found))}
        if not self.more:
            return {}
        counts = confusion_counts(predictions, test.labels, len(self.dataset.classes))
        shares = [None if np.isnan(share) else share for share in recalls(counts).tolist()]
        return {"recall": dict(zip(self.dataset.classes, shares)), "confusion": counts.tolist()}

    def score_in_words(self, score: float) -> str:
        """Accuracy or RMSE."""
        return f"RMSE {score:.4g}" if self.dataset.has_values else f"accuracy {100 * score:.2f} %"

    def told(self, scores: dict[str, float]) -> str:
        """A training's scores in words."""
        if self.dataset.has_values:
            deviation = np.sqrt(np.square(self.dataset.output_range()[0]).mean())
            return (
                f"test RMSE {scores['rmse']:.4g}, MAE {scores['mae']:.4g} (the values' own deviation {deviation:.4g})"
            )
        sizes = np.bincount(self.dataset.test.labels, minlength=len(self.dataset.classes))
        said = f"test {self.score_in_words(scores['accuracy'])}"
        if sizes.max() <= UNEVEN * sizes.min():
            return said
        return f"{said}, mean of the classes {100 * scores['balanced_accuracy']:.2f} %"


class TextTask:
    """The next token of a text: characters of surnames, words of the Penn Treebank."""

    def __init__(self, design: Design, dataset: str, data: Path | None) -> None:
        from ..train.language.protocols import check_design
        from ..train.language.texts import Text

        self.design, self.name, self.checksum = design, dataset, ""
        self.text = Text.read(dataset, data)
        self.scores, self.more = self.text.measures, ()
        self.units = {name: UNITS[f"{dataset} {name}"] for name in self.scores} | {"clipped": UNITS["clipped"]}
        check_design(design, dataset, self.text.tokens)

    def config(self, seed: int, floating: bool, protocol: dict[str, Any], noise: dict[str, Any]):
        """The text's protocol with what was given; noise is that of training and of evaluation."""
        from ..train.language.config import LanguageConfig
        from ..train.language.protocols import design_protocol
        from ..train.layers.noise import Noise

        for name in sorted(set(protocol) - {"quantiser", *(field.name for field in fields(LanguageConfig))}):
            raise DesignError(
                f"--{name.replace('_', '-')} must be left out for the text {self.name}, which has no use for it"
            )
        drawn = Noise(**noise)
        return design_protocol(
            self.design, self.name, self.text.tokens, seed=seed, floating=floating, noise=drawn, **protocol
        )

    def check_start(self, config, source: Path | None) -> None:
        """Raise :class:`DesignError` if there is one."""
        if source is not None:
            raise DesignError(f"--start must be left out for the text {self.name}, which has no use for it")

    def remarks(self, config) -> list[str]:
        """None: every token is one of the text's."""
        return []

    def common(self, config) -> dict[str, Any]:
        """What all trainings of a run share."""
        return {name: value for name, value in config.to_dict().items() if name not in SEEDED}

    def train(self, config, checkpoint: Path, progress: Progress, start: Path | None) -> Trained:
        """Train, or go on."""
        from ..train.language.descent import epoch_note
        from ..train.usage import code_usage

        def told(done: int, total: int, perplexity: float) -> None:
            progress(done, total, epoch_note(done, total, config.epochs, perplexity))

        result = self.text.train(config, told, design=self.design, checkpoint=checkpoint)
        if config.quant.is_float:
            return Trained(result.final, None, {})
        tokens, _ = self.text.examples(HISTOGRAM)
        return Trained(result.final, code_usage(result.model, lambda: result.model.evaluate(tokens)), {})

    def told(self, scores: dict[str, float]) -> str:
        """A training's scores in words."""
        accuracy = f", accuracy {100 * scores['accuracy']:.2f} %" if "accuracy" in scores else ""
        return f"perplexity {scores['perplexity']:.3f}{accuracy}"


def _listed(channels) -> str:
    more = f" and {len(channels) - SHOWN} more" if len(channels) > SHOWN else ""
    return ", ".join(str(channel) for channel in channels[:SHOWN]) + more
