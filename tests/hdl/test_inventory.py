"""Ports, registers and memories of every component, written out by hand: a bit too many changes no number, but area."""

import re
from dataclasses import replace

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Flow

from ohmgate.hdl.accelerator import Accelerator
from ohmgate.hdl.activation_tables import ActivationTables
from ohmgate.hdl.argmax import Argmax
from ohmgate.hdl.array_macro import ArrayMacro
from ohmgate.hdl.chip import Chip
from ohmgate.hdl.context_banks import ContextBanks
from ohmgate.hdl.context_pair import ContextPair
from ohmgate.hdl.context_results import ContextResults
from ohmgate.hdl.context_stores import ContextStores
from ohmgate.hdl.context_turns import ContextTurns
from ohmgate.hdl.data_registers import DataRegisters
from ohmgate.hdl.dense_layer import DenseLayerCore
from ohmgate.hdl.diagnostics import Diagnostics
from ohmgate.hdl.direction_pair import DirectionPair
from ohmgate.hdl.element_wise import ElementWiseLane
from ohmgate.hdl.lstm_layer import LstmLayerCore
from ohmgate.hdl.pulse_programmer import PulseProgrammer
from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.hdl.result_bank import ResultBank
from ohmgate.hdl.reverse_layer import ReverseLayerCore
from ohmgate.hdl.rnn_layer import RnnLayerCore
from ohmgate.hdl.sequence_store import SequenceStore
from ohmgate.hdl.sequencer import AdcSequencer
from ohmgate.hdl.streams import output_layout
from ohmgate.hdl.tile_sums import TileSums
from ohmgate.hdl.vote_sums import VoteSums
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer, RnnLayer
from tests.test_house import components, documented_ports

LSTM = LstmLayer(inputs=3, hidden=4, adcs=8, dac_bits=3, weight_bits=2, adc_bits=4, activation_bits=6, cell_bits=10,
                 cell_fraction=7, tanh_bits=5, tanh_fraction=3)  # 2 conversions, 2 lanes  # fmt: skip
FIXED = replace(LSTM, tables="constant", conversion_cycles=3, output="value")
REVERSE = replace(LSTM, direction="reverse", max_steps=5)
RNN = RnnLayer(inputs=3, hidden=4, adcs=2, dac_bits=3, weight_bits=2, adc_bits=4)  # 2 conversions
TABLE = DenseLayer(inputs=4, outputs=6, adcs=2, dac_bits=3, weight_bits=5, adc_bits=4, output_bits=5)  # 3 conversions
CODES = replace(TABLE, output="codes", emit="end")
HEAD = replace(TABLE, output="argmax")
VOTES = replace(HEAD, emit="end", votes=5)
DESIGN = Design("small", (LSTM, HEAD))
DIAGNOSED = Design("small", (replace(LSTM, diagnostics=True, spares=1), replace(HEAD, diagnostics=True)))
PULSED = Design("small", (
    replace(LSTM, diagnostics=True, programming="pulse", spares=1),
    replace(HEAD, weight_bits=4, diagnostics=True, programming="pulse"),
))  # fmt: skip
CHIP = [component for component in components() if ".board." not in component.__module__]  # tests/hdl/board has more
KINDS = ("in", "out", "reset", "kept", "memory", "wires")

#: ``5s`` is signed, ``8x4`` 8 elements of 4 bits (a memory: 8 words). Registers have the names of the emitted RTLIL, where
#: some have those of a port that shows them and some none; ``kept`` are those without a reset. Of other wires the
#: bits are counted.
INVENTORY = {
    "sequencer": (AdcSequencer(LSTM, tail=4), """
        in     ready_rows 1, result_free 1, done 1
        out    select 1, convert 1, take 1, take_last 1, step 1, busy 1
        reset  select 1, converting 1, between 1, draining 3
        wires  2"""),
    "sequencer of a fixed time": (AdcSequencer(replace(TABLE, conversion_cycles=3), tail=1), """
        in     ready_rows 1, result_free 1, done 1
        out    select 2, convert 1, take 1, take_last 1, step 2, busy 1
        reset  select 2, converting 1, between 1, draining 1, elapsed 2
        wires  2"""),
    "loaded tables": (ActivationTables(LSTM), """
        in     codes 8x4, take 1, write__en 1, write__gate 2, write__entry 4, write__data 6
        out    entries 8x6
        memory table_0 16x6, table_1 16x6, table_2 16x6, table_3 16x6
        wires  212"""),
    "constant tables": (ActivationTables(FIXED), """
        in     codes 8x4, take 1
        out    entries 8x6
        kept   entry_0 6, entry_1 6, entry_2 6, entry_3 6, entry_4 6, entry_5 6, entry_6 6, entry_7 6
        wires  128"""),
    "lane": (ElementWiseLane(FIXED), """
        in     f 6, i 6, o 6, g 6s, c 5, high 1, first 1
        out    cell 10s, saturated 1, hidden 3, value 6s
        reset  unnamed 1, multiplies 1
        kept   kept 12s, added 12s, rest 15s, kept_o 6, cell 10s, saturated 1, tanh 5, unnamed 1, product 11, below 1
        wires  27"""),
    "sums": (TileSums(replace(LSTM, tile_rows=2)), """
        in     codes 32x4
        out    sums 8x6
        wires  176"""),
    "bank": (ResultBank(words=3, word_bits=5), """
        in     write 1, index 2, word 5
        out    whole 15
        reset  whole 15
        kept   word_0 5, word_1 5"""),
    "argmax": (Argmax(HEAD), """
        in     codes 2x4s, take 1, step 2
        out    label 3
        reset  label 3, taken_1 1, taken_2 1
        kept   step_1 2, step_2 2, code_0 4, code_1 4, half_0 4, half_adc_0 1, unnamed 4, unnamed 3
        wires  17"""),
    "votes": (VoteSums(VOTES), """
        in     codes 2x4s, take 1, take_last 1
        out    sums 2x7, whole 1
        reset  unnamed 3
        kept   sums_0_0 14, sums_0_1 14, sums_0_2 14
        wires  39"""),
    "votes of contexts": (VoteSums(VOTES, contexts=2), """
        in     codes 2x4s, take 1, take_last 1, context 1
        out    sums 2x7, whole 1
        reset  count_0 3, count_1 3
        kept   sums_0_0 14, sums_0_1 14, sums_0_2 14, sums_1_0 14, sums_1_1 14, sums_1_2 14
        wires  39"""),
    "lstm layer": (LstmLayerCore(LSTM, trace=True), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 8x4, array__done 1,
               table__en 1, table__gate 2, table__entry 4, table__data 6
        out    x__ready 1, y__payload (values 4x3, first 1, last 1), y__valid 1, array__row_codes 7x3, array__select 1,
               array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 4, cell_saturations 2,
               trace__gates_valid 1, trace__gates 8x6, trace__cell_valid 1, trace__cell 2x10s, trace__hidden_valid 1,
               trace__hidden 2x3
        reset  full 1, trace__gates_valid 1, high 1, taken_3 1, trace__cell_valid 1, trace__hidden_valid 1, y__valid 1,
               unnamed 2, adc_saturations 4, cell_saturations 2
        kept   held 11, step_1 1, step_2 1, step_3 1, step_4 1, step_5 1, first 1, flags 2
        memory cells 4x10
        wires  534"""),
    "lstm layer of values": (LstmLayerCore(FIXED), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 8x4
        out    x__ready 1, y__payload (values 4x6s, first 1, last 1), y__valid 1, array__row_codes 7x3, array__select 1,
               array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 4, cell_saturations 2
        reset  full 1, taken_1 1, high 1, taken_3 1, taken_4 1, taken_5 1, y__valid 1, unnamed 2, adc_saturations 4,
               cell_saturations 2
        kept   held 11, step_1 1, step_2 1, step_3 1, step_4 1, step_5 1, first 1, flags 2
        memory cells 4x10
        wires  517"""),
    "rnn layer": (RnnLayerCore(RNN), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 2x4, array__done 1,
               table__en 1, table__gate 1, table__entry 4, table__data 3
        out    x__ready 1, y__payload (values 4x3, first 1, last 1), y__valid 1, array__row_codes 7x3, array__select 1,
               array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 2
        reset  full 1, write 1, unnamed 1, y__valid 1, unnamed 2, adc_saturations 2
        kept   held 11, index 1, flags 2
        wires  162"""),
    "rnn layer of contexts": (RnnLayerCore(RNN, trace=True, contexts=3), """
        in     x__payload (values 3x3, first 1, last 1, context 2), x__valid 1, y__ready 1, array__codes 2x4,
               array__done 1, table__en 1, table__gate 1, table__entry 4, table__data 3
        out    x__ready 1, y__payload (values 4x3, first 1, last 1, context 2), y__valid 1, array__row_codes 7x3,
               array__select 1, array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 2, trace__context 2
        reset  write 1, finished 1, adc_saturations 2
        kept   index 1, context 2, place_1 3
        wires  367"""),
    "dense layer with a table": (DenseLayerCore(TABLE), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 2x4, array__done 1,
               table__en 1, table__gate 1, table__entry 4, table__data 5
        out    x__ready 1, y__payload (values 6x5, first 1, last 1), y__valid 1, array__row_codes 4x3, array__select 2,
               array__convert 1, busy 1, adc_saturations 2
        reset  full 1, write 1, finished_1 1, y__valid 1, unnamed 2, adc_saturations 2
        kept   held 14, index 2, flags 2
        wires  236"""),
    "dense layer of codes": (DenseLayerCore(CODES), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 2x4, array__done 1
        out    x__ready 1, y__payload (values 6x4s, first 1, last 1), y__valid 1, array__row_codes 4x3, array__select 2,
               array__convert 1, busy 1, adc_saturations 2
        reset  full 1, write 1, finished_1 1, y__valid 1, unnamed 2, adc_saturations 2
        kept   held 14, index 2, word 8, flags 2
        wires  168"""),
    "dense layer with argmax": (DenseLayerCore(HEAD), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 2x4, array__done 1
        out    x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, array__row_codes 4x3, array__select 2,
               array__convert 1, busy 1, adc_saturations 2
        reset  full 1, taken_1 1, taken_2 1, finished_1 1, finished_2 1, y__valid 1, unnamed 2, adc_saturations 2
        kept   held 14, step_1 2, step_2 2, flags 2
        wires  110"""),
    "dense layer with votes": (DenseLayerCore(VOTES), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 2x4, array__done 1
        out    x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, array__row_codes 4x3, array__select 2,
               array__convert 1, busy 1, adc_saturations 2
        reset  full 1, taken_1 1, taken_2 1, finished_1 1, finished_2 1, y__valid 1, unnamed 2, adc_saturations 2
        kept   held 14, step_1 2, step_2 2, flags 2
        wires  169"""),
    "register bus": (RegisterBus(DESIGN), """
        in     bus__adr 5, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, busy 1, step_taken 1,
               cell_saturations 16, adc_saturations 16, setup_0__program_done 1, setup_0__sealed 1,
               setup_1__program_done 1, setup_1__sealed 1
        out    bus__dat_r 32, bus__ack 1, bus__err 1, enable 1, restart 1,
               setup_0__mult 4x8, setup_0__shift 4x6, setup_0__program_row 3, setup_0__program_column 4,
               setup_0__program_level 2, setup_0__program_strobe 1, setup_0__cancel 1, setup_0__seal 1,
               setup_0__unseal 1,
               setup_1__mult 1x8, setup_1__shift 1x6, setup_1__program_row 3, setup_1__program_column 3,
               setup_1__program_level 5, setup_1__program_strobe 1, setup_1__cancel 1, setup_1__seal 1,
               setup_1__unseal 1,
               table_0__en 1, table_0__gate 2, table_0__entry 4, table_0__data 6
        reset  bus__dat_r 32, bus__ack 1, bus__err 1, enable 1, restart 1,
               scratch 32, cycles 32, steps 32, cell_saturations 32, adc_saturations 32, unlock_low 32, unlock_high 32,
               setup_0__mult 32, setup_0__shift 24, setup_1__mult 8, setup_1__shift 6,
               layer_select 1, unnamed 16, gate 2, unnamed 16, column 16, unnamed 1, unnamed 1, unnamed 1,
               unnamed 1, unnamed 16, unnamed 16, unnamed 8, unnamed 1, unnamed 1, at_layer 1, unsealing 1,
               unnamed 1, unnamed 1, unnamed 1, unnamed 1, has_gate 4, computing 1,
               table_0__en 1, table_0__gate 2, table_0__entry 4, table_0__data 6
        wires  288"""),
    "register bus with layers in reverse": (RegisterBus(Design("small", (REVERSE,))), """
        in     bus__adr 5, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, busy 1, step_taken 1,
               cell_saturations 16, adc_saturations 16, setup_0__program_done 1, setup_0__sealed 1, too_long 1
        out    bus__dat_r 32, bus__ack 1, bus__err 1, enable 1, restart 1, setup_0__mult 4x8, setup_0__shift 4x6,
               setup_0__program_row 3, setup_0__program_column 4, setup_0__program_level 2, setup_0__program_strobe 1,
               setup_0__seal 1, setup_0__unseal 1, setup_0__cancel 1, table_0__en 1, table_0__gate 2,
               table_0__entry 4, table_0__data 6
        reset  unnamed 1, unnamed 1, unnamed 1, unnamed 1, has_gate 4, bus__ack 1, bus__err 1, bus__dat_r 32,
               scratch 32, layer_select 1, cycles 32, steps 32, cell_saturations 32, adc_saturations 32, computing 1,
               unnamed 1, too_long 1, restart 1, enable 1, unlock_low 32, unlock_high 32, unnamed 1, unnamed 1,
               unnamed 16, gate 2, table_0__gate 2, table_0__entry 4, table_0__data 6, table_0__en 1,
               setup_0__mult 32, setup_0__shift 24, unnamed 1, at_layer 1, unnamed 1, unnamed 1, unsealing 1,
               unnamed 16, column 16, unnamed 16, unnamed 16, unnamed 8
        wires  273"""),
    "store that turns sequences": (SequenceStore(output_layout(LSTM), 5, backwards=True), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1
        out    x__ready 1, y__payload (values 4x3, first 1, last 1), y__valid 1, busy 1, too_long 1
        reset  whole 2, into 1, into_base 4, unnamed 1, unnamed 3, out 1, out_base 4, y__valid 1, unnamed 3
        kept   end_0 3, end_1 3
        memory words 10x12
        wires  96"""),
    "store of three banks": (SequenceStore(output_layout(LSTM), 5, backwards=False, banks=3), """
        in     x__payload (values 4x3, first 1, last 1), x__valid 1, y__ready 1
        out    x__ready 1, y__payload (values 4x3, first 1, last 1), y__valid 1, busy 1, too_long 1
        reset  whole 2, into 2, into_base 4, unnamed 1, unnamed 3, out 2, out_base 4, y__valid 1, unnamed 3
        kept   end_0 3, end_1 3, end_2 3
        memory words 15x12
        wires  96"""),
    "layer in reverse": (ReverseLayerCore(REVERSE, trace=True), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, array__codes 8x4, array__done 1,
               table__en 1, table__gate 2, table__entry 4, table__data 6
        out    x__ready 1, y__payload (values 4x3, first 1, last 1), y__valid 1, array__row_codes 7x3,
               array__select 1, array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 4,
               cell_saturations 2, too_long 1, trace__gates_valid 1, trace__gates 8x6, trace__cell_valid 1,
               trace__cell 2x10s, trace__hidden_valid 1, trace__hidden 2x3
        wires  682"""),
    "pair of directions": (DirectionPair(LSTM, REVERSE), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, forward_x__ready 1,
               forward_y__payload (values 4x3, first 1, last 1), forward_y__valid 1, reverse_x__ready 1,
               reverse_y__payload (values 4x3, first 1, last 1), reverse_y__valid 1
        out    x__ready 1, y__payload (values 8x3, first 1, last 1), y__valid 1,
               forward_x__payload (values 3x3, first 1, last 1), forward_x__valid 1, forward_y__ready 1,
               reverse_x__payload (values 3x3, first 1, last 1), reverse_x__valid 1, reverse_y__ready 1, busy 1
        wires  247"""),
    "register bus with diagnostics": (RegisterBus(DIAGNOSED), """
        in     bus__adr 5, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, busy 1, step_taken 1,
               cell_saturations 16, adc_saturations 16, setup_0__program_done 1, setup_0__sealed 1,
               setup_1__program_done 1, setup_1__sealed 1,
               diagnosing 1, adjust__strobe 1, adjust__layer 1, adjust__adc 3, adjust__what 2, adjust__value 16
        out    bus__dat_r 32, bus__ack 1, bus__err 1, enable 1, restart 1,
               setup_0__mult 4x8, setup_0__shift 4x6, setup_0__program_row 3, setup_0__program_column 5,
               setup_0__program_level 2, setup_0__program_strobe 1, setup_0__cancel 1, setup_0__seal 1,
               setup_0__unseal 1, setup_0__adjust_strobe 1, setup_0__adjust_adc 3, setup_0__adjust_what 2,
               setup_0__adjust_value 16,
               setup_1__mult 1x8, setup_1__shift 1x6, setup_1__program_row 3, setup_1__program_column 3,
               setup_1__program_level 5, setup_1__program_strobe 1, setup_1__cancel 1, setup_1__seal 1,
               setup_1__unseal 1, setup_1__adjust_strobe 1, setup_1__adjust_adc 1, setup_1__adjust_what 1,
               setup_1__adjust_value 16,
               table_0__en 1, table_0__gate 2, table_0__entry 4, table_0__data 6, layer 1, idle 1, programming 1
        reset  bus__dat_r 32, bus__ack 1, bus__err 1, enable 1, restart 1,
               scratch 32, cycles 32, steps 32, cell_saturations 32, adc_saturations 32, unlock_low 32, unlock_high 32,
               setup_0__mult 32, setup_0__shift 24, setup_1__mult 8, setup_1__shift 6,
               layer 1, unnamed 16, gate 2, unnamed 16, column 16, unnamed 1, unnamed 1, unnamed 1,
               programming 1, unnamed 16, unnamed 16, unnamed 8, unnamed 1, unnamed 1, at_layer 1, unsealing 1,
               unnamed 1, unnamed 1, unnamed 1, unnamed 1, has_gate 4, computing 1,
               table_0__en 1, table_0__gate 2, table_0__entry 4, table_0__data 6
        wires  290"""),
    "diagnostics": (Diagnostics(DIAGNOSED), """
        in     bus__adr 6, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, layer 1, idle 1,
               programming 1, restart 1,
               core_0__row_codes 7x3, core_0__select 1, core_0__convert 1, core_0__hidden_drive 1, core_0__bias_drive 1,
               core_1__row_codes 4x3, core_1__select 2, core_1__convert 1, core_1__bias_drive 1,
               array_0__codes 8x4, array_0__done 1, array_1__codes 2x4, array_1__done 1
        out    bus__dat_r 32, bus__ack 1, bus__err 1, active 1, converting 1,
               adjust__strobe 1, adjust__layer 1, adjust__adc 3, adjust__what 2, adjust__value 16,
               core_0__codes 8x4, core_0__done 1, core_1__codes 2x4, core_1__done 1,
               array_0__row_codes 7x3, array_0__select 1, array_0__convert 1, array_0__hidden_drive 1,
               array_0__bias_drive 1, array_1__row_codes 4x3, array_1__select 2, array_1__convert 1,
               array_1__bias_drive 1
        reset  bus__dat_r 32, bus__ack 1, bus__err 1, active 1, unnamed 1, unnamed 1, unnamed 1, unnamed 1, unnamed 1,
               unnamed 1, unnamed 16, adc 16, what 8, row_0 3, row_1 3, row_2 3, row_3 3, row_4 3, row_5 3, row_6 3,
               adjust__strobe 1, adjust__layer 1, adjust__adc 3, adjust__what 2, adjust__value 16, elapsed 1,
               converting 1, shown 1, step 2, at_layer 1
        kept   words 32
        wires  252"""),
    "pulse programmer": (PulseProgrammer(PULSED), """
        in     bus__adr 6, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, level_0__mult 4x8,
               level_0__shift 4x6, level_0__program_row 3, level_0__program_column 5, level_0__program_level 2,
               level_0__program_strobe 1, level_0__seal 1, level_0__unseal 1, level_0__cancel 1,
               level_0__adjust_strobe 1, level_0__adjust_adc 3, level_0__adjust_what 2, level_0__adjust_value 16,
               setup_0__program_done 1, setup_0__sealed 1, core_0__row_codes 7x3, core_0__select 1,
               core_0__convert 1, core_0__hidden_drive 1, core_0__bias_drive 1, array_0__codes 8x4,
               array_0__done 1, level_1__mult 1x8, level_1__shift 1x6, level_1__program_row 3,
               level_1__program_column 3, level_1__program_level 4, level_1__program_strobe 1, level_1__seal 1,
               level_1__unseal 1, level_1__cancel 1, level_1__adjust_strobe 1, level_1__adjust_adc 1,
               level_1__adjust_what 1, level_1__adjust_value 16, setup_1__program_done 1, setup_1__sealed 1,
               core_1__row_codes 4x3, core_1__select 2, core_1__convert 1, core_1__bias_drive 1,
               array_1__codes 2x4, array_1__done 1
        out    bus__dat_r 32, bus__ack 1, bus__err 1, pulsing 1, level_0__program_done 1, level_0__sealed 1,
               setup_0__mult 4x8, setup_0__shift 4x6, setup_0__program_row 3, setup_0__program_column 5,
               setup_0__program_cell 1, setup_0__program_up 1, setup_0__program_strong 1,
               setup_0__program_strobe 1, setup_0__seal 1, setup_0__unseal 1, setup_0__cancel 1,
               setup_0__adjust_strobe 1, setup_0__adjust_adc 3, setup_0__adjust_what 2, setup_0__adjust_value 16,
               core_0__codes 8x4, core_0__done 1, array_0__row_codes 7x3, array_0__select 1, array_0__convert 1,
               array_0__hidden_drive 1, array_0__bias_drive 1, level_1__program_done 1, level_1__sealed 1,
               setup_1__mult 1x8, setup_1__shift 1x6, setup_1__program_row 3, setup_1__program_column 3,
               setup_1__program_cell 1, setup_1__program_up 1, setup_1__program_strong 1,
               setup_1__program_strobe 1, setup_1__seal 1, setup_1__unseal 1, setup_1__cancel 1,
               setup_1__adjust_strobe 1, setup_1__adjust_adc 1, setup_1__adjust_what 1, setup_1__adjust_value 16,
               core_1__codes 2x4, core_1__done 1, array_1__row_codes 4x3, array_1__select 2, array_1__convert 1,
               array_1__bias_drive 1
        reset  elapsed 1, bus__ack 1, bus__err 1, bus__dat_r 32, unnamed 16, erase 8, strong_from 8, unnamed 4,
               unnamed 32, failures 32, convert 1, strobe 1, at 4, layer 1, unnamed 16, column 16, rest 16,
               level 8s, adc 3, unnamed 1, setup_0__program_cell 1, unnamed 1, count 16, setup_0__program_up 1,
               setup_0__program_strong 1, unnamed 8, step 2, code 8s
        memory failed 16x32
        wires  458"""),
    "macro that takes pulses": (ArrayMacro(PULSED.layers[1]), """
        in     array__read__row_codes 4x3, array__read__select 2, array__read__convert 1,
               array__read__bias_drive 1, array__setup__mult 1x8, array__setup__shift 1x6,
               array__setup__program_row 3, array__setup__program_column 3, array__setup__program_cell 1,
               array__setup__program_up 1, array__setup__program_strong 1, array__setup__program_strobe 1,
               array__setup__seal 1, array__setup__unseal 1, array__setup__cancel 1, array__setup__adjust_strobe 1,
               array__setup__adjust_adc 1, array__setup__adjust_what 1, array__setup__adjust_value 16
        out    array__read__codes 2x4, array__read__done 1, array__setup__program_done 1, array__setup__sealed 1
        wires  34"""),
    "accelerator with diagnostics": (Accelerator(DIAGNOSED), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, bus__adr 7, bus__dat_w 32, bus__sel 4,
               bus__cyc 1, bus__stb 1, bus__we 1,
               array_0__read__codes 8x4, array_0__read__done 1, array_0__setup__program_done 1,
               array_0__setup__sealed 1,
               array_1__read__codes 2x4, array_1__read__done 1, array_1__setup__program_done 1,
               array_1__setup__sealed 1
        out    enabled 1, x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, bus__dat_r 32, bus__ack 1, bus__err 1,
               array_0__read__row_codes 7x3, array_0__read__select 1, array_0__read__convert 1,
               array_0__read__hidden_drive 1, array_0__read__bias_drive 1, array_0__setup__mult 4x8,
               array_0__setup__shift 4x6, array_0__setup__program_row 3, array_0__setup__program_column 5,
               array_0__setup__program_level 2, array_0__setup__program_strobe 1, array_0__setup__cancel 1,
               array_0__setup__seal 1, array_0__setup__unseal 1, array_0__setup__adjust_strobe 1,
               array_0__setup__adjust_adc 3, array_0__setup__adjust_what 2, array_0__setup__adjust_value 16,
               array_1__read__row_codes 4x3, array_1__read__select 2, array_1__read__convert 1,
               array_1__read__bias_drive 1, array_1__setup__mult 1x8, array_1__setup__shift 1x6,
               array_1__setup__program_row 3, array_1__setup__program_column 3, array_1__setup__program_level 5,
               array_1__setup__program_strobe 1, array_1__setup__cancel 1, array_1__setup__seal 1,
               array_1__setup__unseal 1, array_1__setup__adjust_strobe 1, array_1__setup__adjust_adc 1,
               array_1__setup__adjust_what 1, array_1__setup__adjust_value 16
        reset  missing 1
        wires  1343"""),
    "turns of contexts": (ContextTurns(LSTM, 3), """
        in     x__payload (values 3x3, first 1, last 1, context 2), x__valid 1, wanted 1, ended 1, hidden 3x12, whole 1,
               whole_context 2
        out    x__ready 1, row_codes 21, first 1, last 1, context 2, ready 1, busy 1
        reset  unnamed 3, ready 1, context 2, unnamed 3
        kept   held_0 11, held_1 11, held_2 11
        wires  130"""),
    "banks of contexts": (ContextBanks(3, 4, 5), """
        in     write 1, index 2, word 4, context 3
        out    whole 5x12
        reset  bank_0 12, bank_1 12, bank_2 12, bank_3 12, bank_4 12
        kept   word_0 4, word_1 4
        wires  60"""),
    "results of contexts": (ContextResults(5), """
        in     context 3, begun 1, first 1, last 1, finished 1, finished_context 3, ready 1
        out    free 1, valid 1, shown 3, shown_first 1, shown_last 1, busy 1
        reset  waiting 5, firsts 5, lasts 5, count 3
        kept   shown 3, order_1 3, order_2 3, order_3 3, order_4 3
        wires  4"""),
    "stores of contexts": (ContextStores(data.ArrayLayout(3, 4), 5, 3, backwards=True), """
        in     x__payload (values 4x3, first 1, last 1, context 2), x__valid 1, y__ready 1, pass_on 1
        out    x__ready 1, y__payload (values 4x3, first 1, last 1, context 2), y__valid 1, busy 1, too_long 1
        reset  unnamed 2
        wires  325"""),
    "pair of directions of contexts": (ContextPair(LSTM, REVERSE, 3), """
        in     x__payload (values 3x3, first 1, last 1, context 2), x__valid 1, y__ready 1, forward_x__ready 1,
               forward_y__payload (values 4x3, first 1, last 1, context 2), forward_y__valid 1,
               reverse_x__ready 1, reverse_y__payload (values 4x3, first 1, last 1, context 2),
               reverse_y__valid 1
        out    x__ready 1, y__payload (values 8x3, first 1, last 1, context 2), y__valid 1,
               forward_x__payload (values 3x3, first 1, last 1, context 2), forward_x__valid 1,
               forward_y__ready 1, reverse_x__payload (values 3x3, first 1, last 1, context 2),
               reverse_x__valid 1, reverse_y__ready 1, busy 1
        reset  dropping_0 1, running_0 1, next_0 3, count_0 2, dropping_1 1, running_1 1, next_1 3, count_1 2,
               dropping_2 1, running_2 1, next_2 3, count_2 2
        wires  457"""),
    "layer in reverse of contexts": (ReverseLayerCore(REVERSE, contexts=3), """
        in     x__payload (values 3x3, first 1, last 1, context 2), x__valid 1, y__ready 1, array__codes 8x4,
               array__done 1, table__en 1, table__gate 2, table__entry 4, table__data 6
        out    x__ready 1, y__payload (values 4x3, first 1, last 1, context 2), y__valid 1, array__row_codes 7x3,
               array__select 1, array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 4,
               cell_saturations 2, too_long 1
        wires  486"""),
    "lstm layer of contexts": (LstmLayerCore(LSTM, trace=True, contexts=3), """
        in     x__payload (values 3x3, first 1, last 1, context 2), x__valid 1, y__ready 1, array__codes 8x4,
               array__done 1, table__en 1, table__gate 2, table__entry 4, table__data 6
        out    x__ready 1, y__payload (values 4x3, first 1, last 1, context 2), y__valid 1, array__row_codes 7x3,
               array__select 1, array__convert 1, array__hidden_drive 1, busy 1, adc_saturations 4, cell_saturations 2,
               trace__context 2, trace__gates_valid 1, trace__gates 8x6, trace__cell_valid 1, trace__cell 2x10s,
               trace__hidden_valid 1, trace__hidden 2x3
        reset  trace__gates_valid 1, high 1, taken_3 1, trace__cell_valid 1, trace__hidden_valid 1, cell_saturations 2,
               adc_saturations 4
        kept   step_1 1, step_2 1, step_3 1, step_4 1, index 1, context_1 2, context_2 2, context_3 2, whole_context 2,
               context 2, place_1 3, place_2 3, place_3 3, place_4 3, place_5 3, first 1
        memory cells 12x10
        wires  743"""),
    "dense layer of contexts": (DenseLayerCore(HEAD, trace=True, contexts=3), """
        in     x__payload (values 4x3, first 1, last 1, context 2), x__valid 1, y__ready 1, array__codes 2x4,
               array__done 1
        out    x__ready 1, y__payload (values 3, first 1, last 1, context 2), y__valid 1, array__row_codes 4x3,
               array__select 2, array__convert 1, busy 1, adc_saturations 2, trace__context 2
        reset  taken_1 1, finished_1 1, taken_2 1, finished_2 1, taken_3 1, write 1, adc_saturations 2
        kept   step_1 2, step_2 2, step_3 2, context_1 2, context_2 2, context 2, place_1 4, place_2 4, place_3 4
        wires  198"""),
    "data registers": (DataRegisters(DESIGN), """
        in     bus__adr 3, bus__dat_w 32, bus__sel 4, bus__cyc 1, bus__stb 1, bus__we 1, restart 1, x__ready 1,
               y__payload (values 3, first 1, last 1), y__valid 1
        out    bus__dat_r 32, bus__ack 1, bus__err 1, by_bus 1, x__payload (values 3x3, first 1, last 1), x__valid 1,
               y__ready 1
        reset  bus__dat_r 32, bus__ack 1, bus__err 1, by_bus 1, unnamed 1, shown 1, x__valid 1, unnamed 2
        kept   values 32
        wires  27"""),
    "accelerator": (Accelerator(DESIGN, trace=True), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, bus__adr 5, bus__dat_w 32, bus__sel 4,
               bus__cyc 1, bus__stb 1, bus__we 1,
               array_0__read__codes 8x4, array_0__read__done 1, array_0__setup__program_done 1,
               array_0__setup__sealed 1,
               array_1__read__codes 2x4, array_1__read__done 1, array_1__setup__program_done 1,
               array_1__setup__sealed 1
        out    enabled 1, x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, bus__dat_r 32, bus__ack 1, bus__err 1,
               array_0__read__row_codes 7x3, array_0__read__select 1, array_0__read__convert 1,
               array_0__read__hidden_drive 1, array_0__setup__mult 4x8, array_0__setup__shift 4x6,
               array_0__setup__program_row 3, array_0__setup__program_column 4, array_0__setup__program_level 2,
               array_0__setup__program_strobe 1, array_0__setup__cancel 1, array_0__setup__seal 1,
               array_0__setup__unseal 1,
               array_1__read__row_codes 4x3, array_1__read__select 2, array_1__read__convert 1,
               array_1__setup__mult 1x8, array_1__setup__shift 1x6, array_1__setup__program_row 3,
               array_1__setup__program_column 3, array_1__setup__program_level 5,
               array_1__setup__program_strobe 1, array_1__setup__cancel 1, array_1__setup__seal 1,
               array_1__setup__unseal 1,
               trace_0__gates_valid 1, trace_0__gates 8x6, trace_0__cell_valid 1, trace_0__cell 2x10s,
               trace_0__hidden_valid 1, trace_0__hidden 2x3
        wires  998"""),
    "macro": (ArrayMacro(TABLE), """
        in     array__read__row_codes 4x3, array__read__select 2, array__read__convert 1, array__setup__mult 1x8,
               array__setup__shift 1x6, array__setup__program_row 3, array__setup__program_column 3,
               array__setup__program_level 5, array__setup__program_strobe 1, array__setup__cancel 1, array__setup__seal 1,
               array__setup__unseal 1
        out    array__read__codes 2x4, array__read__done 1, array__setup__program_done 1, array__setup__sealed 1
        wires  34"""),
    "macro with a spare": (ArrayMacro(replace(TABLE, diagnostics=True, spares=1)), """
        in     array__read__row_codes 4x3, array__read__select 2, array__read__convert 1, array__read__bias_drive 1,
               array__setup__mult 1x8, array__setup__shift 1x6, array__setup__program_row 3,
               array__setup__program_column 3, array__setup__program_level 5, array__setup__program_strobe 1,
               array__setup__cancel 1, array__setup__seal 1, array__setup__unseal 1, array__setup__adjust_strobe 1,
               array__setup__adjust_adc 1, array__setup__adjust_what 2, array__setup__adjust_value 16
        out    array__read__codes 2x4, array__read__done 1, array__setup__program_done 1, array__setup__sealed 1
        wires  34"""),
    "chip": (Chip(DESIGN), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, bus__adr 5, bus__dat_w 32, bus__sel 4,
               bus__cyc 1, bus__stb 1, bus__we 1
        out    x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, bus__dat_r 32, bus__ack 1, bus__err 1
        wires  800"""),
    "chip with trace": (Chip(DESIGN, trace=True), """
        in     x__payload (values 3x3, first 1, last 1), x__valid 1, y__ready 1, bus__adr 5, bus__dat_w 32, bus__sel 4,
               bus__cyc 1, bus__stb 1, bus__we 1
        out    x__ready 1, y__payload (values 3, first 1, last 1), y__valid 1, bus__dat_r 32, bus__ack 1, bus__err 1,
               trace_0__gates_valid 1, trace_0__gates 8x6, trace_0__cell_valid 1, trace_0__cell 2x10s,
               trace_0__hidden_valid 1, trace_0__hidden 2x3
        wires  1025"""),
}  # fmt: skip

#: Bits of the chip's registers in each module: reset by the pin alone, by the pin and CONTROL.RESET, by nothing.
BITS = {
    "top": (0, 0, 0),
    "top.accelerator": (0, 0, 0),
    "top.accelerator.registers": (451, 0, 0),
    "top.accelerator.layer_0": (0, 15, 19),
    "top.accelerator.layer_0.sequencer": (0, 6, 0),
    "top.accelerator.layer_0.tables": (0, 0, 0),
    "top.accelerator.layer_0.hidden": (0, 12, 6),
    "top.accelerator.layer_0.lane_0": (0, 2, 74),
    "top.accelerator.layer_0.lane_1": (0, 2, 74),
    "top.accelerator.layer_1": (0, 10, 20),
    "top.accelerator.layer_1.sequencer": (0, 6, 0),
    "top.accelerator.layer_1.argmax": (0, 5, 24),
    "top.array_0": (0, 0, 0),
    "top.array_1": (0, 0, 0),
}


def shape_text(shape) -> str:
    """A shape as the tables write it."""
    if isinstance(shape, data.ArrayLayout):
        return f"{shape.length}x{shape_text(shape.elem_shape)}"
    if isinstance(shape, data.StructLayout):
        return f"({', '.join(f'{name} {shape_text(field.shape)}' for name, field in shape)})"
    shape = Shape.cast(shape)
    return f"{shape.width}{'s' if shape.signed else ''}"


def modules_of(component: wiring.Component) -> dict[str, str]:
    """Bodies of the emitted RTLIL's modules by name, the component's own first."""
    text = rtlil.convert(component, emit_src=False)
    return dict(re.findall(r"^module \\(\S+)\n(.*?)^end$", text, flags=re.MULTILINE | re.DOTALL))


def registers_of(module: str, reset: str = "rst") -> list[tuple[str, str, int, bool]]:
    """(name, ``s`` where signed, bits, has a reset by the signal ``reset``) of every register of a module."""
    signed = set(re.findall(r"wire width \d+ (?:output \d+ )? ?signed (\S+)$", module, flags=re.MULTILINE))
    processes = re.findall(r"^  process .*?^  end$", module, flags=re.MULTILINE | re.DOTALL)
    resets = {re.search(r"assign (\S+)", text)[1] for text in processes if f"switch \\{reset} [0]" in text}
    cells = re.findall(r"cell \$dff .*?WIDTH (\d+).*?\\D (\S+).*?\\Q (\S+)$", module, flags=re.MULTILINE | re.DOTALL)
    return [(name, "s" if name in signed else "", int(bits), source in resets) for bits, source, name in cells]


def inventory(component: wiring.Component) -> dict[str, list[str]]:
    """What is in a component, not in what it is made of, by :data:`KINDS`."""
    module = next(iter(modules_of(component).values()))
    found = {kind: [] for kind in KINDS}
    for path, member, _ in component.signature.flatten(component):
        name = "__".join(str(part) for part in path)
        found["in" if member.flow == Flow.In else "out"].append(f"{name} {shape_text(member.shape)}")
    registers = registers_of(module)
    for name, sign, bits, reset in registers:
        own = "unnamed" if re.match(r"\\?\$", name) else name[1:].split("$")[0]
        found["reset" if reset else "kept"].append(f"{own} {bits}{sign}")
    for bits, words, name in re.findall(r"memory width (\d+) size (\d+) \\(\S+)", module):
        found["memory"].append(f"{name} {words}x{bits}")
    shown = {name for name, *_ in registers}
    wires = re.findall(r"wire width (\d+)(?: signed)? (\\\S+)$", module, flags=re.MULTILINE)
    found["wires"].append(str(sum(int(bits) for bits, name in wires if name not in shown)))
    return found


def written(text: str) -> dict[str, list[str]]:
    """A table of :data:`INVENTORY` as :func:`inventory` gives it."""
    parts = re.findall(rf"^ *({'|'.join(KINDS)}) +(.*(?:\n {{10,}}.*)*)", text, flags=re.MULTILINE)
    rows = {kind: re.split(r",\s+(?![^(]*\))", items) for kind, items in parts}
    return {kind: rows.get(kind, ["0"] if kind == "wires" else []) for kind in KINDS}


@pytest.mark.parametrize("kind", INVENTORY)
def test_ports_registers_and_memories(kind):
    component, text = INVENTORY[kind]
    found, expected = inventory(component), written(text)
    assert {key: sorted(items) for key, items in found.items()} == {key: sorted(v) for key, v in expected.items()}


def test_every_component_is_in_the_inventory():
    assert {type(component) for component, _ in INVENTORY.values()} == set(CHIP)


@pytest.mark.parametrize("component", CHIP, ids=lambda c: c.__name__)
def test_the_table_of_the_docstring_has_all_ports(component):
    found = {}
    for example, _ in INVENTORY.values():
        if type(example) is component:
            members = example.signature.members
            found |= {re.sub(r"\d+$", "K", name): member.flow for name, member in members.items()}
    written = documented_ports(component)
    assert {name: "in" if flow == Flow.In else "out" for name, flow in found.items()} == written


def test_what_a_reset_reaches():
    found = {}
    for name, module in modules_of(INVENTORY["chip"][0]).items():
        by_pin, by_register = registers_of(module), registers_of(module, "restart")
        pairs = [(pin, register, bits) for (*_, bits, pin), (*_, register) in zip(by_pin, by_register)]
        sums = [sum(bits for *reset, bits in pairs if reset == wanted) for wanted in ([1, 0], [1, 1], [0, 0])]
        assert sum(sums) == sum(bits for *_, bits in pairs), "CONTROL.RESET resets what the pin does not"
        found[name.split("$")[0]] = tuple(sums)
    assert found == BITS


def test_what_a_reset_reaches_of_diagnostics():
    """ACTIVE, CONVERTING, VALID and the pulse that starts a conversion go with CONTROL.RESET; codes are not reset."""
    modules = modules_of(Chip(DIAGNOSED))
    [module] = [text for name, text in modules.items() if name.split("$")[0] == "top.accelerator.diagnostics"]
    dropped = [name for name, _, bits, reset in registers_of(module, "restart") if reset and bits == 1]
    assert len(dropped) == 4
    assert {"\\active", "\\converting"} < set(dropped)
    assert [bits for *_, bits, reset in registers_of(module) if not reset] == [32]
