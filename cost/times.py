"""How long a time step takes: in cycles of a clock, or in the paper's nanoseconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..model.design import Design
from ..model.layers import Layer

PAPER_CONVERSION_NS = 6.25  #: 160 MS/s: 16 columns in 100 ns (section VI.B)
PAPER_ACTIVATION_NS = 5.0  #: section VI.A
PAPER_ELEMENT_WISE_NS = 1.0  #: section VI.A
SHORTEST_CONVERSION = 2  #: cycles, of the array port
CLOCK_MHZ = 640.0  #: four cycles are the paper's conversion


@dataclass(frozen=True)
class LayerTime:
    """Of a layer, in ns."""

    conversion: float  #: of one column of every ADC
    array: float  #: all M conversions: how long the rows are driven
    step: float  #: from a time step's first conversion to the next one's; of interleaved sequences, the mean
    latency: float  #: from an input to its result
    at_end: bool  #: the array is read on a sequence's last step only


@dataclass(frozen=True)
class Times:
    """Of all layers, which work at the same time. ``clock_mhz`` is None for the paper's nanoseconds."""

    layers: tuple[LayerTime, ...]
    clock_mhz: float | None = None
    contexts: int = 1  #: sequences that interleave
    waits: int = 0  #: how often a sequence is gone through once more, as layers in reverse wait for its end

    @property
    def step(self) -> float:
        """ns of a time step of the slowest layer that works on each."""
        return max(layer.step for layer in [each for each in self.layers if not each.at_end] or self.layers)

    @property
    def cycles(self) -> int | None:
        """Clock cycles of :attr:`step`."""
        return None if self.clock_mhz is None else round(self.step * self.clock_mhz / 1000)

    def charged(self, index: int) -> float:
        """ns for which a layer's power is counted: the chain's step, or its own where it is read at the end only."""
        return self.layers[index].step if self.layers[index].at_end else self.step

    def busy(self, index: int) -> float:
        """Share of that time in which a layer's array converts."""
        return self.layers[index].array / self.charged(index)

    def sequence(self, steps: int) -> float:
        """ns from a sequence's first input to the result of its last; those that interleave with it take turns."""
        turns = ((self.waits + 1) * steps - 1) * self.contexts
        return turns * self.step + sum(layer.latency for layer in self.layers)


def waits_of(design: Design) -> int:
    """A layer in reverse begins at a sequence's end; layers behind it that work on every step when it is done."""
    waits = 0
    for index, layer in enumerate(design.layers):
        if layer.reverse:
            waits += 1 + any(not later.at_end for later in design.layers[index + 1 :])
    return waits


def operations(design: Design) -> int:
    """Multiply-accumulates of a time step as the paper counts: without bias rows, and without layers at the end."""
    return sum((layer.inputs + layer.hidden) * layer.columns for layer in design.layers if not layer.at_end)


def conversion_cycles(layer: Layer, clock_mhz: float) -> int:
    """Cycles of a conversion: the design's, or as many as the paper's 6.25 ns take."""
    paper = math.ceil(round(PAPER_CONVERSION_NS * clock_mhz / 1000, 9))
    return layer.conversion_cycles or max(SHORTEST_CONVERSION, paper)


def clocked(design: Design, latencies: Sequence[int], clock_mhz: float) -> Times:
    """Of the generated hardware; ``latencies`` are its layers' (docs/rtl.md), in cycles beside the conversions."""
    period, times = 1000 / clock_mhz, []
    for layer, latency in zip(design.layers, latencies, strict=True):
        cycles = conversion_cycles(layer, clock_mhz)
        array = layer.conversions * cycles
        alone = array + latency - 1
        step = max(array, alone / design.contexts)  # the tail of a step is time for other sequences
        own = LayerTime(
            cycles * period, array * period, step * period, (alone + 1 + (design.contexts > 1)) * period, layer.at_end
        )
        times.append(own)
    return Times(tuple(times), clock_mhz, design.contexts, waits_of(design))


def paper_times(design: Design) -> Times:
    """With the paper's times: 6.25 ns a conversion, 5 ns for activations, 1 ns for the element-wise operations."""
    times = []
    for layer in design.layers:
        after = (PAPER_ACTIVATION_NS if layer.table_bits else 0) + (
            PAPER_ELEMENT_WISE_NS if layer.kind == "lstm" else 0
        )
        array = layer.conversions * PAPER_CONVERSION_NS
        step = max(array, (array + after) / design.contexts)
        times.append(LayerTime(PAPER_CONVERSION_NS, array, step, array + after, layer.at_end))
    return Times(tuple(times), contexts=design.contexts, waits=waits_of(design))
