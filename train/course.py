"""A training under way: what is trained now, what its epochs gave, and the weights of its best one."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from . import checkpoint as checkpoints
from .config import TrainConfig
from .data.sequences import SequenceDataset
from .epochs import Epoch, best_of, class_weights, epochs_of, loss_of, run_epoch, stopped_early, tensors_of
from .evaluation import outputs_of, predictions_of, scores_of
from .layers.signal import noise_at_snr, signal_power
from .network import DesignNetwork
from .warm import continued, float_twin, quantise, start_from, typical


class Course:
    """``model`` is trained on ``split.train`` by ``config``, first as its float twin where the run begins in float.

    ``split.test`` judges the epochs where the run holds sequences back. ``host`` are the units of both.
    ``teacher`` is what a run that distils learns from.
    """

    def __init__(
        self,
        model: DesignNetwork,
        split: SequenceDataset,
        config: TrainConfig,
        host: dict[str, Any],
        teacher: DesignNetwork | None = None,
    ) -> None:
        self.model, self.config, self.host, self._teacher = model, config, host, teacher
        self.epochs: tuple[Epoch, ...] = ()  #: of this run and of those that it went on from
        self.done = 0  #: epochs; a checkpoint of before has more than it tells of
        self._has_values = split.has_values
        self._held = split.test if config.validation else None
        self._tensors = tensors_of(split.train, host)
        self._weights = None if self._has_values else class_weights(self._tensors[2], config)
        self._best: dict[str, torch.Tensor] = {}
        self._now = float_twin(model) if config.floats else model
        self._optimiser = self._adam()

    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam(self._now.parameters(), lr=self.config.learning_rate)

    def start(self, source: DesignNetwork) -> None:
        """Begin with the weights of ``source``, a network of like layers."""
        start_from(self.model, source, *typical(*self._tensors[:2]))
        self._now = float_twin(self.model) if self.config.floats else self.model
        self._optimiser = self._adam()
        self._at_snr()

    def _at_snr(self) -> None:
        """Noise of training by the signals that there are now, where the run is at an SNR."""
        if self.config.snr is None:
            return
        inputs, lengths = typical(*self._tensors[:2])
        powers = signal_power(self.model, lambda: self.model(inputs, lengths), lengths)
        self.model.set_noise(train=noise_at_snr(powers, self.config.snr, site=self.config.snr_site))

    def resume(self, state: checkpoints.State) -> None:
        """Go on from a checkpoint."""
        self.done, self.epochs = state.epoch, epochs_of(state)
        if self.done > self.config.floats:
            self._now = self.model
        self._optimiser = self._adam()
        state.restore(self._now, self._optimiser)
        self._best = state.best

    @property
    def over(self) -> bool:
        """Is the run at its end, or has it been without a better epoch for too long?"""
        return self.done >= self.config.epochs or stopped_early(self.epochs, self.config, self._has_values)

    def advance(self) -> Epoch:
        """Train one epoch more, and judge it."""
        config = self.config
        if self._now is not self.model and self.done == config.floats:
            quantise(self.model, self._now, *typical(*self._tensors[:2]))
            self._optimiser = continued(self._optimiser, self._now, self.model, config.learning_rate)
            self._now = self.model
        if config.snr_power == "relative":
            self._at_snr()
        loss = run_epoch(self._now, self._optimiser, self._tensors, config, self.done, self._weights, self._teacher)
        self.epochs = (*self.epochs, Epoch(loss, self._optimiser.param_groups[0]["lr"], *self._judged()))
        self.done += 1
        best = best_of(self.epochs, config, self._has_values)
        if config.keeps_best and best == len(self.epochs) - 1:
            kept = checkpoints.weights_of(self.model)
            self._best = {name: value.clone() for name, value in kept.items()}
        return self.epochs[-1]

    def _judged(self) -> tuple[float, float] | tuple[()]:
        """Loss and score of the sequences held back."""
        if self._held is None:
            return ()
        self._now.set_noise(seed=self.config.seed)
        outputs = outputs_of(self._now, self._held, self.host)
        _, lengths, labels = tensors_of(self._held, self.host)
        loss = loss_of(torch.from_numpy(outputs).float(), labels, lengths, self.config, self._weights)
        scores = scores_of(self._held, predictions_of(outputs, self._held, self.host))
        return float(loss), scores["rmse" if self._has_values else "accuracy"]

    def save(self, file: str | Path, run: dict[str, Any]) -> None:
        """Write the checkpoint of ``run``."""
        tensors = checkpoints.trained_tensors(self._now, self._optimiser)
        tensors |= {checkpoints.BEST + name: value for name, value in self._best.items()}
        content = {"run": run, "host": self.host, "epoch": self.done, "epochs": [asdict(e) for e in self.epochs]}
        checkpoints.write(file, tensors, content)

    def finish(self) -> None:
        """Give the model the weights that count."""
        if self._best:
            checkpoints.restore_weights(self.model, self._best)
