"""Do a model's arrays form a chain, each on exactly the codes that the one before gave? The forward is run to see.

Once on the inputs, and again with random codes in place of those that every array hands on, so that a change shows
also where it happens to leave those of the inputs alone. Moving codes about is no change as long as every step of
every sequence comes to the next array in its turn (:mod:`.layouts`). The two arrays of a bidirectional layer stand at
one place of the chain (:mod:`.stages`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from ...model.formats import DesignError, full_scale
from ..layers.array import ArrayModule
from ..layers.conv import QuantConv2d
from ..layers.lstm import LstmArray
from ..layers.recurrent import RecurrentArray
from ..layers.recurrent_modules import QuantRecurrent
from ..layers.sequence import Trace
from ..layers.whole_model import arrays_of, without_noise
from .forward import Call, output_bits, record_calls
from .layouts import Batch, Layout, batch_of
from .stages import Stage, check_both, stages_of

EVIDENCE = 64  #: bits of random codes that every channel and every row hands on, at least


@dataclass(frozen=True)
class Chain:
    """Arrays in the order of the data, with what each did on the inputs."""

    stages: list[Stage]
    places: list[torch.Tensor]  #: (T, B) for each: the row of a step, or -1 where it is not read
    lengths: torch.Tensor  #: (B,) int64
    emit: str  #: is the last array read on every "step", or at the "end" of a sequence?

    @property
    def groups(self) -> list[tuple[ArrayModule, ...]]:
        return [stage.arrays for stage in self.stages]

    def codes(self) -> np.ndarray:
        """(B, T, m) int64 DAC codes that the first array got, 0 past a length."""
        codes = self.stages[0].codes[self.places[0]]
        return torch.where((self.places[0] < 0)[..., None], 0, codes).transpose(0, 1).numpy()

    def traces(self) -> list[Trace]:
        """Each array's trace over the steps of the sequences, in the order in which it computed them."""
        return [_over_steps(call, at) for stage, at in zip(self.stages, self.places) for call in stage.calls]


def record_chain(model: nn.Module, inputs: tuple, lengths=None) -> Chain:
    """Run ``model(*inputs)`` in evaluation. ``lengths`` (B,) are those of padded sequences; of packed ones they are
    known, and else all are as long as the inputs.

    Raises :class:`DesignError` where the arrays are no chain, for the first place in it that is wrong.
    """
    check_model(model)
    if not inputs:
        raise DesignError(
            "a model to export must be given example inputs, as in export(model, x): its forward decides which array "
            "follows which"
        )
    calls, names = record_calls(model, inputs), _names(model)
    _check_calls(calls, names)
    stages = stages_of(calls)
    called = [names[stage.arrays] for stage in stages]
    check_fit([stage.arrays for stage in stages], called, [stage.between for stage in stages])
    anchor = next((index for index, stage in enumerate(stages) if stage.is_recurrent), 0)
    batch = batch_of(stages, stages[anchor], lengths)
    with without_noise(model):
        passes = [stages, *map(stages_of, _random_passes(model, inputs, calls))]
    check_both(passes, called, batch.lengths)
    layout = Layout("step", batch.padded(len(stages[anchor].codes)))
    layouts = [layout]
    for index in range(anchor + 1, len(stages)):
        layout = _follow(passes, called, index, batch, layout)
        layouts.append(layout)
    for index in range(anchor, 0, -1):
        layouts.insert(0, _follow(passes, called, index, batch, layouts[0], backwards=True))
    return Chain(stages, [each.places for each in layouts], batch.lengths, layout.emit)


def check_model(model: nn.Module) -> None:
    """Raise :class:`DesignError` for a model that cannot be exported whatever its forward does."""
    arrays = arrays_of(model)
    if not arrays:
        raise DesignError("a model to export must have at least one quantised layer, but it has none")
    for array in arrays:
        if isinstance(array, QuantConv2d):
            raise DesignError(
                f"{_names(model)[(array,)]} is a convolution, which no design has: its array alone can be exported, "
                "as export([layer]), for a dense layer that takes its patches"
            )
        array.layer_data()


def _names(model: nn.Module) -> dict[tuple[ArrayModule, ...], str]:
    """What to call each array in a sentence, and each two of a bidirectional layer."""
    names = {}
    for name, module in model.named_modules():
        called = f"layer {name!r}" if name else "the model"
        if isinstance(module, QuantRecurrent):
            arrays, several = list(module.arrays), len(module.arrays) > 1
            for index, array in enumerate(arrays):
                names[(array,)] = f"array {index} of {called}" if several else called
            for reverse, forward in module.forward_of().items():
                first = arrays.index(forward)
                names[forward, reverse] = f"pair {first // 2} of {called}" if len(arrays) > 2 else called
        elif isinstance(module, ArrayModule):
            names.setdefault((module,), called)
    return names


def check_fit(
    groups: Sequence[tuple[ArrayModule, ...]], names: Sequence[str], between: Sequence[list[str]] | None = None
) -> None:
    """Raise :class:`DesignError` for the first arrays that cannot take what those before hand on.

    ``groups`` are arrays that take the same codes, one or the two directions of a layer. ``names`` and what was
    called ``between``, before each group, are for its sentence.
    """
    for index, (group, following) in enumerate(pairwise(groups), 1):
        (before, *_), (after, *_) = group, following
        ahead, name = names[index - 1 : index + 1]
        found = _between(between[index]) if between else ""
        bits = output_bits(before)
        if bits is None:
            float_too = isinstance(before, RecurrentArray) or before.function is not None
            lacks = "hand on codes, not values," if float_too else "have an output function"
            raise DesignError(f"{ahead} must {lacks} to come before {name}{found}")
        given = sum(array.hidden if isinstance(array, RecurrentArray) else array.outputs for array in group)
        if after.inputs != given:
            raise DesignError(f"{name} must take the {given} outputs of {ahead}, but takes {after.inputs}{found}")
        for array in following:
            if (scale := float(array.full_scale)) != 1:
                raise DesignError(f"{name} must have inputs within -1 to 1 to follow {ahead}, not {scale:g}{found}")
        if after.input_bits != bits:
            raise DesignError(
                f"{name} must have DACs of the {bits} bits that {ahead} hands on, not {after.input_bits}{found}"
            )
    if len(groups[-1]) > 1:
        raise DesignError(
            f"{names[-1]} must come before another array, which takes the outputs of both directions, but is the last"
        )


def _between(called: list[str]) -> str:
    """The end of a sentence about two arrays."""
    if not called:
        return ""
    more = f" and {len(called) - 6} more" if len(called) > 6 else ""
    return f"; between them the forward calls {', '.join(called[:6])}{more}"


def _check_calls(calls: list[Call], names: dict[tuple[ArrayModule, ...], str]) -> None:
    """Raise :class:`DesignError` unless every array runs once, on sequences that begin without a state."""
    for arrays, name in names.items():
        count = sum(call.array is arrays[0] for call in calls)
        if count != 1:
            runs = f"runs {count} times" if count else "never runs"
            raise DesignError(f"{name} must run once in the forward of a model to export, but {runs}")
    if any(call.trace.given_state for call in calls):
        raise DesignError("only sequences without an initial state can be exported: the hardware has none")
    if not all(len(call.codes) for call in calls):
        raise DesignError("example inputs must be of 1 sequence or more, but there is none")


def _random_passes(model: nn.Module, inputs: tuple, calls: list[Call]) -> Iterator[list[Call]]:
    """As many more passes on random codes as it takes that no two channels and no two rows look alike."""
    source = np.random.default_rng(0)
    possible = {call.array: _possible(call.array) for call in calls if call.given is not None}

    def random_codes(call: Call) -> torch.Tensor:
        return torch.from_numpy(source.choice(possible[call.array], tuple(call.given.shape)))

    handed = [(min(call.given.shape), len(possible[call.array])) for call in calls[:-1]]
    needed = [EVIDENCE / (size * math.log2(levels)) for size, levels in handed if levels > 1]
    for _ in range(math.ceil(max(needed, default=0))):
        again = record_calls(model, inputs, random_codes)
        if [(call.array, call.shape) for call in again] != [(call.array, call.shape) for call in calls]:
            raise DesignError("a forward to export must call the same layers whatever their codes are, but does not")
        yield again


def _possible(array: ArrayModule) -> np.ndarray:
    """The codes that an array can hand on."""
    if not isinstance(array, LstmArray):
        return np.unique(array.layer_data().tables)
    top = full_scale(array.config.dac_bits)
    return np.array([-1, 1]) if array.config.dac_bits == 1 else np.arange(-top, top + 1)


def _follow(
    passes: list[list[Stage]], names: list[str], index: int, batch: Batch, known: Layout, *, backwards: bool = False
) -> Layout:
    """Layout of stage ``index``, that of the stage before being ``known``, in which all codes are those given.

    ``backwards``: that of the stage before, this one's being known. Raises :class:`DesignError` if there is none.
    """
    source, target = passes[0][index - 1], passes[0][index]
    ahead, name = names[index - 1 : index + 1]
    found = _between(target.between)
    last = index == len(names) - 1
    best, counts = None, []
    for layout in batch.layouts(source) if backwards else batch.layouts(target, last):
        given, taken = (layout, known) if backwards else (known, layout)
        these = [_differing(stages[index - 1], stages[index], given.places, taken.places) for stages in passes]
        if best is None or sum(these) < sum(counts):
            best, counts = layout, these
    if best is None:
        or_end = ", or the last one of each sequence" if last and not target.is_recurrent else ""
        raise DesignError(
            f"{name} must get every step that {ahead} gave, {source.size}{or_end}, but gets {target.size}{found}"
        )
    if any(counts) and last and all(_takes_last_states(*stages[index - 1 : index + 1]) for stages in passes):
        raise DesignError(
            f"{name} must get what {ahead} gave on the last step of each sequence (out[:, -1]), but gets its last "
            f"states (h_n), where the direction in reverse is at the first step{found}"
        )
    for number, count in enumerate(counts):
        if count:
            taken = known if backwards else best
            total = int((taken.places >= 0).sum()) * target.codes.shape[1]
            made = " random codes in their place" if number else ""
            raise DesignError(
                f"{name} must get exactly the codes that {ahead} gave {batch.when(best)}, but {count:,} of {total:,}"
                f"{made} differ{found or ', and nothing is called between them'}"
            )
    if last and not target.is_recurrent and batch.steps == 1 and any(stage.is_recurrent for stage in passes[0]):
        raise DesignError(
            f"example inputs must have sequences of 2 steps or more to tell whether {name} is read on every step or "
            "on the last, but all have 1"
        )
    return best


def _differing(source: Stage, target: Stage, given: torch.Tensor, taken: torch.Tensor) -> int:
    """Number of codes that ``target`` got otherwise than ``source`` gave them, where it got any."""
    assert source.given is not None
    read = taken >= 0
    return int((source.given[given[read]] != target.codes[taken[read]]).sum())


def _takes_last_states(source: Stage, target: Stage) -> bool:
    """Does ``target`` get h_n of both directions?"""
    return source.both and not target.is_recurrent and torch.equal(source.last_states(), target.codes)


def _over_steps(call: Call, places: torch.Tensor) -> Trace:
    stages = {name: value for name, value in vars(call.trace).items() if isinstance(value, torch.Tensor)}
    if call.is_recurrent:
        return Trace(**{name: values[: len(places)] for name, values in stages.items()})
    return Trace(**{name: values.detach().flatten(0, -2).cpu()[places] for name, values in stages.items()})
