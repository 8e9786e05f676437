"""Where the steps of sequences are among the rows of an array's call: models lay them out in many ways."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ...model.formats import DesignError
from .stages import Stage


@dataclass(frozen=True)
class Layout:
    """``emit``: has the call a row for every "step", or for the "end" of each sequence?"""

    emit: str
    places: torch.Tensor  #: (T, B): the row of a step, or -1 where it has none


@dataclass(frozen=True)
class Batch:
    """Sequences that go through a chain of arrays; where there is no LSTM, each row is one, of 1 step."""

    lengths: torch.Tensor  #: (B,) int64
    told: bool  #: are lengths known to be such, and not all that there is?
    orders: Sequence[torch.Tensor] = ()  #: (B,) each: packed sequences, the longest first

    @property
    def steps(self) -> int:
        return int(self.lengths.max())

    @property
    def live(self) -> torch.Tensor:
        """(T, B): is a step within its sequence?"""
        return torch.arange(self.steps)[:, None] < self.lengths

    def layouts(self, call: Stage, last: bool = False) -> Iterator[Layout]:
        """All that have as many rows as ``call``, which may be the ``last``.

        An LSTM takes steps and sequences as they are. A dense layer may see one step of all sequences after another
        or one sequence after another, each with padding or without; packed sequences; the last step of each alone.
        """
        batch, rows = len(self.lengths), len(call.codes)
        padded, rest = divmod(rows, batch)
        fits = not rest and (padded == self.steps or (self.told and padded > self.steps))
        if call.is_recurrent:
            if fits and call.shape[1] == batch:
                yield Layout("step", self.padded(rows))
            return
        if fits:
            yield Layout("step", self.padded(rows))
            yield Layout("step", self.padded(rows, transposed=True))
        if self.told and rows == int(self.lengths.sum()):
            live = self.live
            yield Layout("step", _counted(live))
            yield Layout("step", _counted(live.T).T)
            for order in self.orders:
                yield Layout("step", _counted(live[:, order])[:, torch.argsort(order)])
        if last and rows == batch and self.steps > 1:
            end = torch.arange(self.steps)[:, None] == self.lengths - 1
            yield Layout("end", torch.where(end, torch.arange(batch), -1))

    def padded(self, rows: int, *, transposed: bool = False) -> torch.Tensor:
        """(T, B) places in ``rows`` of steps and padding, steps first, or ``transposed`` sequences first."""
        numbers, batch = torch.arange(rows), len(self.lengths)
        numbers = numbers.view(batch, -1).T if transposed else numbers.view(-1, batch)
        return torch.where(self.live, numbers[: self.steps], -1)

    def when(self, layout: Layout) -> str:
        """The steps of a layout, in a sentence."""
        if layout.emit == "step":
            return "on every step"
        guess = "" if self.told else f" (step {self.steps}, as no lengths= are given)"
        return f"on the last step of each sequence{guess}"


def batch_of(calls: Sequence[Stage], first: Stage, lengths=None) -> Batch:
    """The sequences that ``first``, an LSTM if there is one, gets; ``lengths`` (B,) of those that are padded."""
    steps, batch = first.shape if first.is_recurrent else (1, len(first.codes))
    packed = [call for call in calls if call.lengths is not None and len(call.lengths) == batch]
    known = [call.lengths for call in packed]
    if lengths is not None:
        given = torch.as_tensor(lengths).cpu()
        whole = not given.is_floating_point() and given.shape == (batch,)
        if not whole or given.min() < 1 or given.max() > steps:
            raise DesignError(f"lengths must be one integer from 1 to {steps} for each of the {batch} sequences")
        known.append(given.long())
    if not known:
        return Batch(torch.full((batch,), steps), told=False)
    return Batch(torch.stack(known).amin(0), True, [call.order for call in packed])


def _counted(live: torch.Tensor) -> torch.Tensor:
    """Places of the steps that are ``live``, counted along the last axis first."""
    return torch.where(live, live.flatten().cumsum(0).view(live.shape) - 1, -1)
