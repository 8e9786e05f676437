"""Training state in one safetensors file, replaced whole, so that a run killed at any moment can go on."""

import errno
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..model.files import whole
from ..model.formats import DesignError

BEST = "best."  #: ahead of the names of the best epoch's weights
KEY = "ohmgate"  #: one metadata entry, so that the file's bytes do not depend on a map's order


@dataclass(frozen=True, eq=False)
class State:
    """A training's state after ``epoch`` finished epochs."""

    run: dict  #: which run it belongs to: ``design``, ``dataset``, ``config``
    epoch: int
    host: dict | None  #: units and labels that its network's description has; older checkpoints lack them
    tensors: dict[str, torch.Tensor]
    epochs: tuple[dict, ...] = ()  #: what each epoch gave; checkpoints of before lack it

    def restore(self, model: torch.nn.Module, optimiser: torch.optim.Adam | None = None) -> None:
        """Give ``model`` its weights and ranges back, and ``optimiser`` its moments."""
        restore_weights(model, self.tensors)
        if optimiser is None:
            return
        for name, value in model.named_parameters():
            moments = {k: self.tensors[f"adam.{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
            optimiser.state[value] = moments

    @property
    def best(self) -> dict[str, torch.Tensor]:
        """The weights of the best epoch; none where the run keeps none."""
        return {name.removeprefix(BEST): value for name, value in self.tensors.items() if name.startswith(BEST)}

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that count, as :func:`restore_weights` takes them."""
        return self.best or self.tensors


def restore_weights(model: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Give ``model`` the weights and ranges of :func:`weights_of` back; a checkpoint of before lacks ranges."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            saved = tensors.get(f"model.{name}")
            if saved is None or saved.shape != value.shape:
                found = "has none" if saved is None else f"has {tuple(saved.shape)}"
                raise DesignError(
                    f"a checkpoint must hold {name} of shape {tuple(value.shape)}, but this one {found}"
                )
            value.copy_(saved)
        for name, value in model.named_buffers():
            learned = tensors.get(f"model.{name}", value)  # a range that the run trained
            value.copy_(tensors.get(f"buffer.{name}", learned))


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A model's weights, and ranges that are not learned, by name."""
    tensors = {f"model.{name}": value.detach().contiguous() for name, value in model.named_parameters()}
    return tensors | {f"buffer.{name}": value.contiguous() for name, value in model.named_buffers()}


def trained_tensors(model: torch.nn.Module, optimiser: torch.optim.Adam) -> dict[str, torch.Tensor]:
    """Weights, ranges and moments by name, as :meth:`State.restore` takes them."""
    tensors = weights_of(model)
    for name, value in model.named_parameters():
        for key, moment in optimiser.state.get(value, {}).items():
            tensors[f"adam.{name}.{key}"] = moment
    return tensors


def write(path: str | Path, tensors: dict[str, torch.Tensor], content: dict) -> None:
    """Write ``tensors`` and ``content``, which must be JSON, to a safetensors file, whole or not at all."""
    metadata = {KEY: json.dumps(content, sort_keys=True)}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:
            raise OSError(errno.EIO, str(error)) from None


def state_of(path: str | Path, run: dict, known: str | None = None) -> State | None:
    """The state of ``run``'s training; None where there is no file.

    ``known`` is the data set's name where a checkpoint of before that has it in place of the content is as good.
    Raises :class:`DesignError` for a file of another run or no checkpoint.
    """
    path = Path(path)
    if not path.exists():
        return None
    state, run = read_state(path), json.loads(json.dumps(run))
    if known is not None and state.run["dataset"] == known:
        state = replace(state, run=state.run | {"dataset": run["dataset"]})
    if state.run | {"dataset": None} != run | {"dataset": None}:
        raise DesignError(f"checkpoint {path.name!r} must belong to this run, but its configuration differs")
    if state.run != run:
        raise DesignError(f"checkpoint {path.name!r} must belong to these data, but was trained on others")
    return state


def read_state(path: str | Path) -> State:
    """The state of a training. Raises :class:`DesignError` for a file that is none."""
    content, tensors = read(path)
    run = content.get("run")
    known = {"run", "epoch"} <= set(content) <= {"run", "epoch", "host", "epochs"}
    if not known or not isinstance(run, dict) or not {"design", "dataset", "config"} <= set(run):
        raise DesignError(f"checkpoint {Path(path).name!r} must be of a training, but is something else")
    return State(content["run"], content["epoch"], content.get("host"), tensors, tuple(content.get("epochs", ())))


def read(path: str | Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """Content and tensors of a file of :func:`write`. Raises :class:`DesignError` for any other."""
    path = Path(path)
    path.open("rb").close()  # a file that is missing or closed to the user is the system's own sentence
    try:
        with safe_open(path, "pt") as file:
            content = dict(json.loads((file.metadata() or {})[KEY]))
            return content, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a mapping
    except (SafetensorError, KeyError, TypeError, ValueError, OSError):
        raise DesignError(f"checkpoint {path.name!r} must be a checkpoint of ohmgate, but cannot be read") from None
