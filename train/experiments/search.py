"""Training some choices of a grid: Optuna proposes them, workers train them, a journal keeps what came of it.

Which choices are proposed depends on the seed and on earlier results alone, not on how many workers there are and who
of them is done first: results are told in order, with :data:`AHEAD` proposals open at a time. So a search that is
killed goes on to the same end.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model.files import whole
from ...model.formats import DesignError
from .sweep import WATCH_SECONDS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

Value = int | float | str
AHEAD = 8  #: proposals whose results the sampler does not know yet: more workers have nothing to do
STUDY, IDENTITY, SCORES = "explore", "identity", "scores"  #: names within the journal


@dataclass(frozen=True)
class Proposal:
    """A choice that is trained."""

    index: int  #: in the order of proposals
    choice: tuple[Value, ...]  #: of the search's axes

    @property
    def name(self) -> str:
        """Of its reports and of its network's file."""
        return f"trial_{self.index}"


@dataclass(frozen=True)
class Outcome:
    """What a worker gives back."""

    scores: dict[str, float]
    network: bytes  #: its checkpoint


class Search:
    """The trials of a journal; one process at a time has it open (the folder's lock)."""

    def __init__(
        self, journal: Path, axes: Mapping[str, Sequence[Value]], first: Sequence[Value], seed: int, identity: Any
    ) -> None:
        """``first`` is trained first. ``identity`` (JSON) is what all trials share.

        Raises :class:`DesignError` where Optuna is not there, and for the journal of another search.
        """
        try:
            import optuna
        except ImportError:
            raise DesignError("--trials must have Optuna: pip install 'ohmgate[explore]'") from None
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.axes = {field: list(values) for field, values in axes.items()}
        self.first, self.seed = tuple(first), seed
        self.space: dict[str, BaseDistribution] = {
            field: optuna.distributions.IntDistribution(0, len(values) - 1) for field, values in self.axes.items()
        }  #: places of the values, so that neighbours are near
        self.optuna, self.states = optuna, optuna.trial.TrialState
        whole_lines(journal)
        asked = json.loads(json.dumps({"axes": self.axes, "seed": seed, "shared": identity}))
        try:
            self.storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
            self.study = optuna.create_study(
                study_name=STUDY,
                storage=self.storage,
                directions=("minimize", "minimize", "minimize", "minimize"),  # loss, energy, time, area
                load_if_exists=True,
            )
            found = self.study.user_attrs.get(IDENTITY, asked)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DesignError(f"journal {str(journal)!r} must be of an exploration, but cannot be read") from None
        if found != asked:
            raise DesignError(
                f"journal {str(journal)!r} must be of this design, grid, data, training and seed, but is of others; "
                "choose another --out"
            )
        self.study.set_user_attr(IDENTITY, asked)
        taken: set[tuple[int, ...]] = set()
        for trial in self._trials(self.states.COMPLETE, self.states.RUNNING):
            if set(trial.params) != set(self.axes) or self._places(trial) in taken:  # killed while it was proposed
                self.study.tell(trial.number, state=self.states.FAIL)
            else:
                taken.add(self._places(trial))

    @property
    def size(self) -> int:
        """How many choices there are."""
        return int(np.prod([len(values) for values in self.axes.values()]))

    def results(self) -> list[tuple[Proposal, dict[str, float]]]:
        """What was trained and told, in order."""
        done = self._trials(self.states.COMPLETE)
        return [(self._proposal(index, trial), trial.user_attrs[SCORES]) for index, trial in enumerate(done)]

    def run(
        self,
        count: int,
        executor: Executor,
        work: Callable[[Proposal], Outcome],
        judged: Callable[[Proposal, dict[str, float]], Sequence[float]],
        networks: Path,
        progress: Callable[[int, int, str], None],
        watch: Callable[[list[Proposal]], None],
    ) -> None:
        """Train until ``count`` choices have a result, or all.

        ``judged`` gives loss, energy, time and area. A network's file is there before its result. A trial that fails
        raises; it is begun again with the next call.
        """
        count = min(count, self.size)
        futures: dict[Future[Outcome], tuple[Proposal, int]] = {}
        begun, note, shown = set(), "", -1
        try:
            while True:
                told, waiting = len(self._trials(self.states.COMPLETE)), self._trials(self.states.RUNNING)
                if told != shown:
                    progress(shown := told, count, note)
                if told >= count:
                    return
                if len(waiting) < min(AHEAD, count - told):
                    self._propose(told + len(waiting))
                    continue
                for index, trial in enumerate(waiting[: count - told], told):
                    if SCORES not in trial.user_attrs and trial.number not in begun:
                        proposal = self._proposal(index, trial)
                        futures[executor.submit(work, proposal)] = proposal, trial.number
                        begun.add(trial.number)
                head = waiting[0]
                if SCORES in head.user_attrs:
                    scores = head.user_attrs[SCORES]
                    self.study.tell(head.number, list(judged(self._proposal(told, head), scores)))
                    continue
                finished, _ = wait(futures, WATCH_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    proposal, number = futures.pop(future)
                    outcome = future.result()
                    self._keep(proposal, number, outcome, networks)
                    note = (
                        f"{proposal.name} {', '.join(f'{key} {value:.4g}' for key, value in outcome.scores.items())}"
                    )
                watch([proposal for proposal, _ in futures.values()])
        except BaseException:
            if not isinstance(executor, ProcessPoolExecutor):  # which ``process_pool`` ends
                for future in futures:
                    future.cancel()
            raise

    def _keep(self, proposal: Proposal, number: int, outcome: Outcome, networks: Path) -> None:
        networks.mkdir(parents=True, exist_ok=True)
        with whole(networks / f"{proposal.name}.safetensors") as part:
            part.write_bytes(outcome.network)
        study = self.storage.get_study_id_from_name(STUDY)
        trial = self.storage.get_trial_id_from_study_id_trial_number(study, number)
        self.storage.set_trial_user_attr(trial, SCORES, outcome.scores)

    def _propose(self, index: int) -> None:
        """Ask for one choice more, which none before has: the sampler's, or a random one of those that are left."""
        draw = np.random.default_rng([self.seed, index])
        self.study.sampler = self.optuna.samplers.TPESampler(seed=int(draw.integers(2**31)))
        taken = {self._places(trial) for trial in self._trials(self.states.COMPLETE, self.states.RUNNING)}
        if not taken:
            self._enqueue([values.index(value) for values, value in zip(self.axes.values(), self.first)])
        trial = self.study.ask(self.space)
        if self._places(trial) in taken:
            self.study.tell(trial.number, state=self.states.FAIL)
            left = [places for places in product(*(range(len(v)) for v in self.axes.values())) if places not in taken]
            self._enqueue(left[draw.integers(len(left))])
            self.study.ask(self.space)

    def _enqueue(self, places: Sequence[int]) -> None:
        if not self._trials(self.states.WAITING):  # of a search that was killed
            self.study.enqueue_trial(dict(zip(self.axes, map(int, places))))

    def _trials(self, *states: Any) -> "list[FrozenTrial]":
        return sorted(self.study.get_trials(deepcopy=False, states=states), key=lambda trial: trial.number)

    def _places(self, trial: "FrozenTrial | Trial") -> tuple[int, ...]:
        return tuple(trial.params[field] for field in self.axes)

    def _proposal(self, index: int, trial: "FrozenTrial") -> Proposal:
        choice = tuple(values[place] for values, place in zip(self.axes.values(), self._places(trial)))
        return Proposal(index, choice)


def whole_lines(journal: Path) -> None:
    """Cut a last line off that a full disk has left without its end; take away the lock of a killed process."""
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if journal.exists() and not (content := journal.read_bytes()).endswith(b"\n"):
        with whole(journal) as part:
            part.write_bytes(content[: content.rfind(b"\n") + 1])
