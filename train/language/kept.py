"""A language model's training in a file: what is kept after every epoch, and how it goes on.

Random numbers run on from epoch to epoch, so their generators' states are kept, too: a training that was stopped ends
with the numbers of one that was not. On the CPU alone.
"""

from pathlib import Path

import torch

from ...model.design import Design
from ...model.formats import DesignError
from ...model.network import Network
from ...model.records import from_table
from .. import checkpoint
from .config import LanguageConfig
from .model import LanguageModel
from .warm import start_hash


class KeptTraining:
    """``model`` and ``optimiser`` under way, begun from ``start``; ``file`` None keeps nothing."""

    def __init__(
        self, file: str | Path | None, task: str, model: LanguageModel, optimiser, generator, start=None
    ) -> None:
        self._file = None if file is None else Path(file)
        self._model, self._optimiser = model, optimiser
        self._generator = generator
        self.epochs: list[dict[str, float]] = []  #: what the finished ones gave
        if self._file is None:
            return
        assert model.design is not None
        self._run = {"design": model.design.to_dict(), "dataset": task, "config": model.config.to_dict()}
        if start is not None:
            self._run["start"] = start_hash(start)
        state = checkpoint.state_of(self._file, self._run)
        if state is not None:
            state.restore(model, optimiser)
            self.epochs = list(state.epochs)
            torch.set_rng_state(state.tensors["random.torch"])
            generator.set_state(state.tensors["random.windows"])
            model.source.draws = int(state.tensors["random.draws"])

    def finish_epoch(self, found: dict[str, float]) -> None:
        """Keep the state after an epoch, and what it gave."""
        self.epochs.append(found)
        if self._file is None:
            return
        tensors = checkpoint.trained_tensors(self._model, self._optimiser) | {
            "random.torch": torch.get_rng_state(),
            "random.windows": self._generator.get_state(),
            "random.draws": torch.tensor(self._model.source.draws),
        }
        host = {"tokens": self._model.tokens}
        content = {"run": self._run, "host": host, "epoch": len(self.epochs), "epochs": self.epochs}
        checkpoint.write(self._file, tensors, content)


def trained_model(file: str | Path) -> LanguageModel:
    """The model of a finished training, from its checkpoint alone. Raises :class:`DesignError` for any other."""
    state, name = checkpoint.read_state(file), Path(file).name
    if state.host is None or "tokens" not in state.host:
        raise DesignError(f"checkpoint {name!r} must be of a language model, but is of another training")
    config = from_table(LanguageConfig, state.run["config"], "configuration", "a language model")
    if state.epoch < config.epochs:
        raise DesignError(
            f"checkpoint {name!r} must be of a finished run, but it stopped after epoch {state.epoch} "
            f"of {config.epochs}; go on with the same train command"
        )
    model = LanguageModel(state.host["tokens"], config, Design.from_dict(state.run["design"]))
    state.restore(model)
    return model.eval()


def trained_network(file: str | Path) -> Network:
    """The network of a finished, quantised training. Raises :class:`DesignError` for any other."""
    model = trained_model(file)
    if model.config.quant.is_float:
        raise DesignError(f"checkpoint {Path(file).name!r} must be of a quantised run, not of a float one")
    return model.export()
