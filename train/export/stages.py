"""The stages of a forward: an array, or the two of a bidirectional layer, which take the same codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from ...model.formats import DesignError
from ..layers.array import ArrayModule
from ..layers.turning import gather, reversal
from .forward import Call


@dataclass(frozen=True)
class Stage:
    """One call, or those of a layer's two directions, forward before reverse. Rows as in :class:`Call`."""

    calls: tuple[Call, ...]

    @property
    def arrays(self) -> tuple[ArrayModule, ...]:
        return tuple(call.array for call in self.calls)

    @property
    def both(self) -> bool:
        """Are these the two directions of a layer?"""
        return len(self.calls) > 1

    @property
    def is_recurrent(self) -> bool:
        return self.calls[0].is_recurrent

    @property
    def shape(self) -> tuple[int, int]:
        return self.calls[0].shape

    @property
    def size(self) -> str:
        return self.calls[0].size

    @property
    def between(self) -> list[str]:
        return self.calls[0].between

    @property
    def lengths(self) -> torch.Tensor | None:
        return self.calls[0].lengths

    @property
    def order(self) -> torch.Tensor | None:
        return self.calls[0].order

    @property
    def codes(self) -> torch.Tensor:
        """(rows, m) codes that every array of the stage got, in the order of time."""
        return self.calls[0].codes

    @property
    def turns(self) -> torch.Tensor:
        """(B,) steps of each sequence after which the layer in reverse begins: those of packed ones, or all."""
        steps, batch = self.shape
        return torch.full((batch,), steps) if self.lengths is None else self.lengths

    @cached_property
    def given(self) -> torch.Tensor | None:
        """(rows, n) codes handed on, those of both directions joined in the order of time."""
        parts = [call.given for call in self.calls if call.given is not None]
        if len(parts) < len(self.calls):
            return None
        return torch.cat([part if index == 0 else self._turned(part) for index, part in enumerate(parts)], dim=1)

    def unlike(self) -> int:
        """Number of codes that the array in reverse got otherwise than the other did, from the last step on."""
        return sum(int((self._turned(call.codes) != self.codes).sum()) for call in self.calls[1:])

    def last_states(self) -> torch.Tensor:
        """(B, n) codes that every array gave on the step that it computed last: ``h_n``, directions side by side."""
        rows = (self.turns - 1) * self.shape[1] + torch.arange(self.shape[1])
        return torch.cat([call.given[rows] for call in self.calls if call.given is not None], dim=1)

    def _turned(self, codes: torch.Tensor) -> torch.Tensor:
        """Rows of the array in reverse, which computed the last step first, in the order of time; or back again."""
        steps = codes.unflatten(0, self.shape)
        return gather(steps, reversal(*self.shape, self.turns, codes.device)).flatten(0, 1)


def stages_of(calls: Sequence[Call]) -> list[Stage]:
    """A bidirectional layer's two calls, one after the other, are a stage; every other call is one by itself."""
    groups: list[tuple[Call, ...]] = []
    for call in calls:
        if call.beside is not None and groups and groups[-1][-1].array is call.beside:
            groups[-1] += (call,)
        else:
            groups.append((call,))
    return [Stage(group) for group in groups]


def check_both(passes: Sequence[Sequence[Stage]], names: Sequence[str], lengths: torch.Tensor) -> None:
    """Raise :class:`DesignError` where two directions do not take the same codes of sequences of ``lengths`` (B,)."""
    for index, name in enumerate(names):
        stage = passes[0][index]
        if not stage.both:
            continue
        one, other = (float(array.full_scale) for array in stage.arrays)
        if one != other:
            raise DesignError(
                f"both directions of {name} must have inputs of one full scale, not {one:g} and {other:g}"
            )
        if not torch.equal(stage.turns, lengths):
            raise DesignError(
                f"{name} must get sequences of several lengths packed, as it begins in reverse with each one's last "
                "step, not with padding"
            )
        if unlike := sum(stages[index].unlike() for stages in passes):
            raise DesignError(
                f"both directions of {name} must get the same codes, one from the last step to the first, but "
                f"{unlike:,} differ"
            )
