"""A trial of any experiment: what it must tell of itself, and its run with a record of all that decided it."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from ...model.formats import DesignError, check_integer
from ...model.records import from_table
from .reports import reporter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Told = Callable[[int, int, str], None]  #: steps that are done, of all steps, what they gave


@dataclass(frozen=True)
class Outcome:
    """What a trial's run gives."""

    checksum: str  #: SHA-256 of the data
    epochs: Sequence[dict[str, float]]  #: metrics of every epoch
    final: dict[str, float]


class Trial(Protocol):
    """One run of a grid: a frozen dataclass of numbers, texts and booleans, which its record has as JSON.

    Trials of one ``task`` are of one class and share a file of results. ``name`` tells the trials of a task apart,
    and ends in ``_seed`` and the seed.
    """

    @property
    def task(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def is_language(self) -> bool:
        """Does it train a language model? That is kept where networks are, and may train on a GPU."""
        ...

    def protocol(self) -> "DataclassInstance":
        """Everything that decides the run besides the data, as dataclasses; a change makes it another result."""
        ...

    def check_data(self, folder: str | Path | None) -> None:
        """Read the data once, fetching what is not there. Raises :class:`DesignError` where :meth:`run` would."""
        ...

    def run(self, folder: str | Path | None, told: Told, *, device: str, network: Path | None) -> Outcome:
        """Do the work, of data in ``folder``. ``network`` is the file of the language model, ``device`` where it
        trains."""
        ...


T = TypeVar("T", bound=Trial)


def of_seeds(trials: Sequence[T], seeds: int = 1) -> list[T]:
    """The trials of seed 0 for so many seeds, seed after seed: a first seed is whole before a second begins."""
    check_integer("seeds", seeds, 1, 1000)
    return [with_seed(trial, seed) for seed in range(seeds) for trial in trials]


def with_seed(trial: T, seed: int) -> T:
    return replace(trial, seed=seed)  # pyright: ignore[reportArgumentType, reportReturnType, reportCallIssue]


def identity(trial: Trial) -> dict[str, Any]:
    """What a record says of its trial."""
    return {"trial": asdict(trial), "protocol": asdict(trial.protocol())}  # pyright: ignore[reportArgumentType]


def belongs(record: dict[str, Any], trial: Trial) -> bool:
    """Is it this trial's record, of the present protocol? A field that a record does not have yet is at its default.

    Raises ValueError, KeyError or TypeError for what is no record.
    """
    wanted = trial.protocol()
    found = from_table(type(trial), record["trial"], "record", "a trial")  # pyright: ignore[reportArgumentType]
    return found == trial and from_table(type(wanted), record["protocol"], "record", "a protocol") == wanted


def run_trial(
    trial: Trial,
    folder: str | Path | None = None,
    networks: str | Path | None = None,
    device: str = "cpu",
    reports: str | Path | None = None,
) -> dict[str, Any]:
    """Run a trial and return its record: :func:`identity`, data checksum, metrics per epoch and final, versions,
    machine and minutes.

    ``networks``: where a language model is kept, as ``<name>.safetensors``
    (:func:`ohmgate.train.language.model.load` reads it).
    ``device``: where it trains, ``cpu``, ``cuda`` or ``cuda:N``; all others train on the CPU.
    ``reports``: folder for the trial's report of how far it is (:mod:`.reports`).
    """
    check_device(device)
    began, cpu = time.monotonic(), time.process_time()
    network = None if networks is None else Path(networks) / f"{trial.name}.safetensors"
    outcome = trial.run(folder, reporter(reports, trial.name), device=device, network=network)
    minutes = {"minutes": (time.monotonic() - began) / 60, "cpu_minutes": (time.process_time() - cpu) / 60}
    return record(trial, outcome, minutes, device)


def record(trial: Trial, outcome: Outcome, minutes: dict[str, float], device: str = "cpu") -> dict[str, Any]:
    """A trial's result as its file holds it."""
    gpu = f", {torch.cuda.get_device_name(device)}" if device != "cpu" and trial.is_language else ""
    packages = ("ohmgate", "numpy", "torch")
    return {
        **identity(trial),
        "data_sha256": outcome.checksum,
        "epochs": list(outcome.epochs),
        "final": {name: float(value) for name, value in outcome.final.items()},
        **{name: round(value, 2) for name, value in minutes.items()},
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}, one thread of {os.cpu_count()} cores{gpu}",
    }


def check_data(trials: Sequence[Trial], folder: str | Path | None) -> None:
    """Read the data of the trials' tasks, each set once. Raises :class:`DesignError` where a trial would."""
    first = {(trial.task, getattr(trial, "data", "")): trial for trial in reversed(trials)}
    for task in sorted(first):
        first[task].check_data(folder)


def check_device(name: str) -> str:
    """``name``, or :class:`DesignError` where torch sees no such device."""
    count = torch.cuda.device_count()
    if name not in ("cpu", *["cuda"] * (count > 0), *(f"cuda:{number}" for number in range(count))):
        raise DesignError(f"device must be cpu, or cuda or cuda:N of a GPU that torch sees, not {name!r}")
    return name
