"""All proofs, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ohmgate.model.design import Design
from ohmgate.model.layers import LstmLayer

from . import arithmetic, buses, chips, layers, sequencing
from .bench import Bench
from .layers import dense, lstm
from .prover import Verdict, prove

STREAMS, SEQUENCER, BANKS = "streams", "sequencer", "hidden banks"
BUS, LOCK, NUMBERS, EXCLUSION = "bus", "lock", "arithmetic", "exclusion"


@dataclass(frozen=True)
class Proof:
    """A bench, and how it is proved."""

    name: str
    about: str  #: which of the properties of docs/proofs.md
    make: Callable[[], Bench]
    quick: bool = False  #: also in ``make test``

    def run(self) -> Verdict:
        return prove(self.make())


def lane(**formats) -> LstmLayer:
    """A layer whose lane is looked at."""
    return LstmLayer(inputs=1, hidden=1, adcs=4, **formats)


FIXED = {"conversion_cycles": 2}
LAYERS = {
    "lstm": lstm(2),
    "lstm_lanes": lstm(3, lanes=2),
    "lstm_single": lstm(1),
    "lstm_fixed": lstm(2, conversion_cycles=3),
    "lstm_value": lstm(2, output="value", **FIXED),
    "dense_table": dense(2, 2, conversion_cycles=3),
    "dense_codes": dense(2, 2, output="codes"),
    "dense_argmax": dense(3, 2, output="argmax"),
    "dense_end": dense(2, 2, output="argmax", emit="end", **FIXED),
}
QUICK_LAYERS = ("lstm", "lstm_fixed", "dense_codes", "dense_argmax", "dense_end")
_SMALL, _BY_BUS, _DIAGNOSED = buses.small(), buses.small(data_registers=True), buses.small(diagnostics=True)
_TINY = {"activation_bits": 4, "cell_bits": 8, "cell_fraction": 4, "tanh_fraction": 3, "tanh_bits": 4}

PROOFS = {
    proof.name: proof
    for proof in (
        *(
            Proof(f"layer_{name}", STREAMS, partial(layers.layer, layer), quick=name in QUICK_LAYERS)
            for name, layer in LAYERS.items()
        ),
        *(
            Proof(f"valid_{name}", STREAMS, partial(layers.valid_alone, LAYERS[name]), quick=name == "dense_codes")
            for name in ("lstm", "dense_table", "dense_codes", "dense_argmax")
        ),
        Proof("chip_lstm", STREAMS, partial(chips.chip, Design("proof", (lstm(1, **FIXED),)))),
        Proof("chip_dense", STREAMS, partial(chips.chip, Design("proof", (dense(1, 1, output="codes", **FIXED),)))),
        Proof("chip_stack", STREAMS, partial(chips.chip, buses.small(**FIXED))),
        Proof("data_registers", STREAMS, partial(buses.data_registers, _BY_BUS), quick=True),
        Proof("sequencer_1", SEQUENCER, partial(sequencing.sequencer, 1), quick=True),
        Proof("sequencer_32", SEQUENCER, partial(sequencing.sequencer, 32), quick=True),
        Proof("sequencer_16_fixed", SEQUENCER, partial(sequencing.sequencer, 16, 4), quick=True),
        Proof("result_bank", BANKS, partial(layers.result_bank, 3, 2), quick=True),
        Proof("register_bus", BUS, partial(buses.register_bus, _SMALL)),
        Proof("board_bus", BUS, partial(buses.board_bus, _SMALL), quick=True),
        Proof("board_bus_parts", BUS, partial(buses.board_bus, _SMALL, "noise", "flash"), quick=True),
        Proof("chip_bus", BUS, partial(buses.chip_bus, _BY_BUS)),
        Proof("chip_bus_diagnostics", BUS, partial(buses.chip_bus, buses.small(diagnostics=True, **FIXED))),
        Proof("lock", LOCK, partial(buses.lock, _SMALL)),
        Proof("exclusion", EXCLUSION, partial(buses.exclusion, _SMALL)),
        Proof("diagnostics", EXCLUSION, partial(buses.diagnostics, _DIAGNOSED), quick=True),
        Proof(
            "pulses",
            EXCLUSION,
            partial(buses.pulses, buses.small(diagnostics=True, programming="pulse", weight_bits=2)),
        ),
        Proof("functions", NUMBERS, partial(arithmetic.functions, 12)),
        Proof("cell_8", NUMBERS, partial(arithmetic.cell, lane(**_TINY))),
        *(
            Proof(f"hidden_{bits}", NUMBERS, partial(arithmetic.hidden, lane(dac_bits=bits, output="value")))
            for bits in (1, 2, 4, 8)
        ),
    )
}
