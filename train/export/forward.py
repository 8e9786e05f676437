"""What a model's forward runs: every call of an array with its codes, and what is called between two of them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from ..layers.array import ArrayModule
from ..layers.config import FLOAT, code_scale
from ..layers.linear import LinearArray
from ..layers.recurrent import RecurrentArray
from ..layers.recurrent_modules import QuantRecurrent
from ..layers.sequence import Trace
from ..layers.whole_model import arrays_of, listening

NEUTRAL = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)  #: in evaluation


@dataclass
class Call:
    """One call of an array. Its rows are the flattened steps and sequences, in the array's own order."""

    array: ArrayModule
    shape: tuple[
        int, int
    ]  #: steps and batch, as the array counts them: those of a recurrent layer, of a dense one any two
    codes: torch.Tensor  #: (rows, m) int64 DAC codes
    given: torch.Tensor | None  #: (rows, n) int64 DAC codes handed on; None where the layer makes none
    trace: Trace
    between: list[str]  #: functions and layers that were called since the call before
    lengths: torch.Tensor | None = None  #: (B,) of a packed sequence
    order: torch.Tensor | None = None  #: (B,) its sequences, the longest first
    beside: ArrayModule | None = None  #: the forward array of the same layer, where this one runs in reverse

    @property
    def is_recurrent(self) -> bool:
        return isinstance(self.array, RecurrentArray)

    @property
    def size(self) -> str:
        """In a sentence."""
        return (
            f"{self.shape[1]} sequences of {self.shape[0]} steps" if self.is_recurrent else f"{len(self.codes)} rows"
        )


def output_bits(array: ArrayModule) -> int | None:
    """Bits of the DAC codes that an array hands on; None where it makes none."""
    if isinstance(array, RecurrentArray):
        return array.config.dac_bits if array.config.output == "codes" else None
    return None if array.function is None or array.output_bits == FLOAT else array.output_bits


def record_calls(
    model: nn.Module, inputs: tuple, instead: Callable[[Call], torch.Tensor] | None = None
) -> list[Call]:
    """All calls of arrays in one evaluation of ``model(*inputs)``, in their order.

    ``instead`` makes codes (rows, n) that are handed on in place of an array's own: who gets them gets what it gave.
    """
    recording = _Recording(instead)
    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(recording.watch(name, module))
        stack.enter_context(listening(model, arrays_of(model), recording.see))
        stack.enter_context(_Functions(recording.note))
        model(*inputs)
    return recording.calls


@dataclass
class _Recording:
    instead: Callable[[Call], torch.Tensor] | None
    calls: list[Call] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    inside: int = 0  #: layers entered, of which the insides are no one's business
    packed: PackedSequence | None = None
    forward_of: dict[ArrayModule, ArrayModule] = field(default_factory=dict)  #: of a layer's arrays in reverse

    def watch(self, name: str, module: nn.Module) -> Callable[[], None]:
        """Know of every call of an array, of a layer of arrays and of a layer without parts; returns the end of it.

        A user's own hooks are outside: what they do to the codes counts as done between.
        """
        ours = isinstance(module, ArrayModule | QuantRecurrent)
        if not ours and any(True for _ in module.children()):
            return lambda: None

        def enter(module, arguments, named):
            if not ours and not isinstance(module, NEUTRAL):
                self.note(f"{name!r} ({type(module).__name__})")
            self.inside += 1
            if isinstance(module, QuantRecurrent):
                given = arguments[0] if arguments else named.get("input")
                self.packed = given if isinstance(given, PackedSequence) else None
                self.forward_of = module.forward_of()

        def leave(module, arguments, output):
            if isinstance(module, ArrayModule) and self.instead is not None:
                output = _replaced(self.calls[-1], output, self.instead)
            if isinstance(module, QuantRecurrent):
                self.packed, self.forward_of = None, {}
            self.inside -= 1
            return output

        handles = (
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave, prepend=True),
        )
        return lambda: [handle.remove() for handle in handles]

    def note(self, name: str) -> None:
        if not self.inside and name not in self.between:
            self.between.append(name)

    def see(self, array: ArrayModule, codes: torch.Tensor, trace: Trace) -> None:
        given = None
        if output_bits(array) is not None:
            given = trace.hidden if isinstance(array, RecurrentArray) else trace.out
        call = Call(
            array,
            tuple(codes.shape[:2]),
            _rows(codes),
            None if given is None else _rows(given),
            trace,
            self.between,
            beside=self.forward_of.get(array),
        )
        if self.packed is not None:
            call.lengths = pad_packed_sequence(self.packed)[1]
            order = self.packed.sorted_indices
            call.order = torch.arange(len(call.lengths)) if order is None else order.cpu()
        self.calls.append(call)
        self.between = []


class _Functions(TorchFunctionMode):
    """Notes the name of every function that makes a tensor, and not those that it calls itself."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        parts = result if isinstance(result, tuple | list) else (result,)
        if any(isinstance(part, torch.Tensor) for part in parts):
            name = getattr(function, "__name__", str(function))
            if name == "__get__":  # an attribute, as .T
                name = getattr(function.__self__, "__name__", name)
            self.note(name.strip("_"))
        return result


def _rows(codes: torch.Tensor) -> torch.Tensor:
    return codes.detach().flatten(0, -2).round().to(torch.int64).cpu()


def _replaced(call: Call, output, instead: Callable[[Call], torch.Tensor]):
    """An array's output with other codes in it; cells stay."""
    if call.given is None:
        return output
    call.given = instead(call)
    values = call.given.double() / code_scale(output_bits(call.array))
    if isinstance(call.array, LinearArray):
        return values.reshape(output.shape).to(output)
    values = values.reshape(output[0].shape).to(output[0])
    return values, values, *output[2:]
