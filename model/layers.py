"""The layers of an accelerator: what each is made of, and the rules for its numbers.

An array of cells with DACs on its rows and ADCs on its columns (:mod:`.array_layer`), and the formats of what the
periphery computes. All of it is fixed when the hardware is made; weights, gains and tables are data
(:mod:`.network`). Each kind has a file of its own; who needs layers takes them from here.
"""

from .array_layer import MAX_ADCS, MAX_SPARES, PROGRAMMING, ArrayLayer
from .dense_layer import MAX_VOTES, DenseLayer
from .lstm_layer import GATES, LSTM_OUTPUTS, LstmLayer
from .recurrent_layer import DIRECTIONS, MAX_INPUT_DRIVE, MAX_STEPS, RecurrentLayer
from .rnn_layer import RnnLayer

__all__ = [
    "DIRECTIONS",
    "GATES",
    "HARDWARE_BITS",
    "INNER_OUTPUTS",
    "KINDS",
    "LSTM_OUTPUTS",
    "MAX_ADCS",
    "MAX_INPUT_DRIVE",
    "MAX_SPARES",
    "MAX_STEPS",
    "MAX_VOTES",
    "PROGRAMMING",
    "ArrayLayer",
    "DenseLayer",
    "Layer",
    "LstmLayer",
    "RecurrentLayer",
    "RnnLayer",
]

HARDWARE_BITS = 8  #: widest codes of the RTL and of images; in numbers alone they may be wider

Layer = LstmLayer | RnnLayer | DenseLayer
INNER_OUTPUTS = {"lstm": "codes", "rnn": "codes", "dense": "table"}  #: DAC codes, which another layer takes
KINDS = {"lstm": LstmLayer, "rnn": RnnLayer, "dense": DenseLayer}
