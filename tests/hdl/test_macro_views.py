"""The behavioural view of a macro alone on Icarus: programming, conversions, cancel and reset, cycle by cycle."""

import shutil
import subprocess

import numpy as np
import pytest

from ohmgate.hdl.array_macro import macro_ports
from ohmgate.hdl.macro_views import behavioural, unique_layers
from ohmgate.model.bit_fields import pack
from ohmgate.model.design import Design
from ohmgate.model.formats import full_scale, symmetric_codes, to_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order, row_drive
from ohmgate.model.reference import adc_codes
from tests.designs import random_network

LAYERS = {
    "lstm": LstmLayer(inputs=2, hidden=2, adcs=4),
    "driven lstm": LstmLayer(inputs=3, hidden=1, adcs=4, input_drive=5, dac_bits=3, weight_bits=2, adc_bits=5, bias_rows=2),
    "wide inputs": LstmLayer(inputs=2, hidden=2, adcs=4, input_drive=3, input_dac_bits=8, dac_bits=3, bias_rows=2),
    "wide hidden": LstmLayer(inputs=2, hidden=2, adcs=4, input_drive=3, input_dac_bits=2, dac_bits=5),
    "signs of inputs": LstmLayer(inputs=3, hidden=1, adcs=4, input_dac_bits=1, dac_bits=4, bias_rows=0),
    "signs of hidden units": LstmLayer(inputs=3, hidden=2, adcs=4, input_dac_bits=4, dac_bits=1),
    "fixed lstm": LstmLayer(inputs=1, hidden=4, adcs=8, conversion_cycles=7, weight_bits=8, adc_bits=8, dac_bits=8, bias_rows=0),
    "dense": DenseLayer(inputs=3, outputs=6, adcs=2, adc_bits=3),
    "diagnosed lstm": LstmLayer(inputs=2, hidden=2, adcs=4, bias_rows=2, input_dac_bits=3, diagnostics=True, spares=2),
    "diagnosed dense": DenseLayer(inputs=3, outputs=6, adcs=2, adc_bits=3, diagnostics=True, spares=1),
    "diagnosed without bias": DenseLayer(inputs=3, outputs=3, adcs=3, bias_rows=0, diagnostics=True, conversion_cycles=3),
    "pulsed lstm": LstmLayer(inputs=2, hidden=2, adcs=4, adc_bits=5, weight_bits=3, diagnostics=True, programming="pulse"),
    "pulsed dense": DenseLayer(inputs=2, outputs=4, adcs=2, adc_bits=4, bias_rows=0, diagnostics=True, spares=2, programming="pulse"),
    "tiles": LstmLayer(inputs=3, hidden=2, adcs=4, input_drive=2, dac_bits=3, input_dac_bits=5, tile_rows=4),
    "coarser tiles": LstmLayer(inputs=3, hidden=3, adcs=4, adc_bits=5, tile_rows=2, input_tile_shift=3),
    "many tiles": DenseLayer(inputs=6, outputs=6, adcs=2, adc_bits=3, tile_rows=2, tile_columns=3, conversion_cycles=3),
    "one bit": DenseLayer(inputs=2, outputs=4, adcs=1, dac_bits=1, weight_bits=1, adc_bits=1),
    "one cell": DenseLayer(inputs=1, outputs=1, adcs=1, dac_bits=1, weight_bits=3, adc_bits=2, bias_rows=0, conversion_cycles=2),
}  # fmt: skip

BENCH = """
module bench;
    reg clk = 0;
    reg [{top}:0] inputs, vectors [0:{last}];
    wire [{codes}:0] codes;
    wire done, program_done, sealed;
    integer t;
    {macro} dut (.clk(clk), {connections});
    initial begin
        $readmemh("vectors.hex", vectors);
        for (t = 0; t <= {last}; t = t + 1) begin
            inputs = vectors[t];
            #5 $display("%h %b %b %b", codes, done, program_done, sealed);
            clk = 1;
            #5 clk = 0;
        end
    end
endmodule
"""


class Macro:
    """Cycles of inputs to a macro, and what the contract of the array port expects of each: see :meth:`cycle`."""

    def __init__(self, layer):
        self.layer = layer
        self.ports = [p for p in macro_ports(layer) if p.direction == "input" and p.name != "clk"]
        self.held = {port.name: 0 for port in self.ports}
        self.cycles, self.expected, self.sealed = [], [], 0

    def cycle(self, *, done: bool = False, codes=None, program_done: bool = False, **inputs: int) -> None:
        """One cycle with ``inputs``, what it shows before its edge, and the codes if these are valid in it.

        ``sealed`` is what it should show from now on.
        """
        self.cycles.append(self.held | inputs)
        shown = None if codes is None else pack(codes, self.layer.adc_bits)
        self.expected.append((done, shown, program_done, self.sealed))

    def run(self, folder, *arguments: str) -> None:
        """Simulate all cycles and compare."""
        at, connections, vectors = (
            0,
            [".codes(codes)", ".program_done(program_done)", ".sealed(sealed)"],
            [0] * len(self.cycles),
        )
        handshake = self.layer.conversion_cycles == 0
        if handshake:
            connections.append(".done(done)")
        for port in self.ports:
            connections.append(f".{port.name}(inputs[{at + port.width - 1}:{at}])")
            vectors = [v | c[port.name] << at for v, c in zip(vectors, self.cycles)]
            at += port.width
        (folder / "vectors.hex").write_text("".join(f"{v:x}\n" for v in vectors))
        bench = BENCH.format(
            top=at - 1, last=len(vectors) - 1, codes=self.layer.codes_at_once * self.layer.adc_bits - 1,
            macro=self.layer.macro_name, connections=", ".join(connections),
        )  # fmt: skip
        (folder / "bench.v").write_text(bench + behavioural(self.layer))
        subprocess.run(["iverilog", "-g2005", "-o", "bench", "bench.v"], cwd=folder, check=True)
        done = subprocess.run(
            ["vvp", "-n", "bench", *arguments], cwd=folder, check=True, capture_output=True, text=True
        )
        lines = [line.split() for line in done.stdout.splitlines()]
        assert len(lines) == len(self.expected)
        for t, ((shown, ready, programmed, sealed), expected) in enumerate(zip(lines, self.expected)):
            done, codes, program_done, seal = expected
            assert not handshake or ready == str(int(done)), f"done in cycle {t}"
            assert programmed == str(int(program_done)), f"program_done in cycle {t}"
            assert sealed == str(seal), f"sealed in cycle {t}"
            assert codes is None or int(shown, 16) == codes, f"codes in cycle {t}"


@pytest.mark.parametrize("kind", LAYERS)
def test_the_behavioural_view_keeps_the_contract_of_the_array_port(kind, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    layer, rng = LAYERS[kind], np.random.default_rng(1)
    macro, conversion = Macro(layer), layer.conversion_cycles or 4
    data = random_network(Design("one", (layer,)), rng).layers[0]
    weights, order = np.zeros((layer.rows, layer.all_columns), dtype=np.int64), physical_order(layer)
    stepped = np.full((layer.adcs, layer.spares), 0xFFFF)  # the step of each spare
    gate = np.arange(layer.adcs) // (layer.adcs // layer.gates)
    tiles = np.array_split(np.arange(layer.rows), layer.row_tiles)

    pairs = np.zeros((2, layer.rows, layer.all_columns), dtype=np.int64)

    def pulsed(row: int, column: int, level: int, **inputs) -> None:
        """Pulses until both cells of a pair hold a level, some of them in vain; a strong one does no more."""
        top = full_scale(layer.weight_bits)
        for cell, wanted in ((0, max(level, 0)), (1, max(-level, 0))):
            while True:
                held = pairs[cell, row, column]
                up = int(held < wanted)
                at = {"program_row": row, "program_column": column, "program_cell": cell, "program_up": up}
                macro.cycle(program_strobe=1, program_strong=int(rng.integers(2)), **at, **inputs)
                macro.cycle(program_done=True, **at)
                pairs[cell, row, column] = min(max(held + 2 * up - 1, 0), top)
                if pairs[cell, row, column] == wanted:
                    break

    def program(row: int, column: int, **inputs) -> None:
        logical = order[column]
        if layer.programming == "pulse":
            pulsed(row, column, int(data.weights[row, logical]), **inputs)
            weights[row, logical] = data.weights[row, logical]
            return
        level = int(to_wire(data.weights[row, logical], layer.weight_bits))
        cell = {"program_row": row, "program_column": column, "program_level": level}
        macro.cycle(program_strobe=1, **cell, **inputs)
        macro.cycle(program_done=True, **cell)
        macro.cycle(**cell)
        weights[row, logical] = data.weights[row, logical]

    def conversion_of(step: int):
        """Inputs of a random conversion, and its codes."""
        parts = (layer.inputs, layer.input_bits), (layer.hidden, layer.dac_bits)
        codes = [rng.choice(symmetric_codes(bits), size=count) for count, bits in parts]
        words = [pack(to_wire(part, bits), bits) for part, (_, bits) in zip(codes, parts)]
        inputs = {"row_codes": words[0] | words[1] << layer.inputs * layer.input_bits, "select": step}
        drive = np.concatenate(codes)
        if layer.hidden:
            inputs["hidden_drive"] = int(rng.integers(0, 2))
            drive[layer.inputs :] *= inputs["hidden_drive"]
        bias = full_scale(layer.dac_bits)
        if layer.diagnostics and layer.bias_rows:
            inputs["bias_drive"] = int(rng.integers(0, 2))
            bias *= inputs["bias_drive"]
        drive = np.concatenate([drive, np.full(layer.bias_rows, bias)]) * row_drive(layer)
        columns = order[np.arange(layer.adcs) * layer.conversions + step]
        for adc, spare in zip(*np.nonzero(stepped == step)):  # the one of the highest number is the last
            columns[adc] = layer.columns + adc * layer.spares + spare
        mult, shift = rng.integers(1, 256, size=layer.gates), rng.integers(4, 14, size=layer.gates)
        inputs |= {"mult": pack(mult, 8), "shift": pack(shift, 6)}
        codes = []
        for rows in tiles:
            own = shift + (layer.input_tile_shift if rows[0] < layer.inputs else 0)
            sums = drive[rows] @ weights[rows][:, columns]
            codes.append(adc_codes(sums, mult[gate], own[gate], layer.adc_bits))
        return inputs, np.concatenate(codes)

    def convert(step: int, until: int = conversion) -> None:
        """A conversion, or its first ``until`` cycles."""
        inputs, codes = conversion_of(step)
        for k in range(until):
            last = k == conversion - 1
            macro.cycle(convert=int(k == 0), done=last, codes=codes if last else None, **inputs)

    def broken_off(by: str) -> None:
        """By ``cancel`` or ``rst``, in each cycle of a conversion but the last: no done comes of it."""
        for cycle in range(conversion - 1):
            convert(cycle % layer.conversions, until=cycle + 1)
            macro.cycles[-1][by] = 1
            for _ in range(conversion + 1):
                macro.cycle()

    for _ in range(conversion + 1):
        macro.cycle()  # idle before a reset, too
    for _ in range(2):
        macro.cycle(rst=1)
    if layer.weight_bits > 1:  # cells begin at 0; with one bit, which has no 0, they begin at +1
        for step in range(layer.conversions):
            convert(step)
    cells = [(row, column) for row in range(layer.rows) for column in range(layer.columns)]
    for row, column in rng.permutation(cells):
        program(int(row), int(column))
    for _ in range(6):
        for step in rng.permutation(layer.conversions):
            convert(int(step))
            for _ in range(int(rng.integers(0, 3))):
                macro.cycle()
    for adc, spare in np.ndindex(layer.adcs, layer.spares):
        for row in range(layer.rows):
            column = layer.columns + adc * layer.spares + spare
            weights[row, column] = rng.integers(-7, 8)
            if layer.programming == "pulse":
                pulsed(row, column, int(weights[row, column]))
                continue
            cell = {"program_row": row, "program_column": column, "program_level": int(weights[row, column]) & 15}
            macro.cycle(program_strobe=1, **cell)
            macro.cycle(program_done=True)
    for _ in range(8 if layer.diagnostics else 0):
        for adc, spare in np.ndindex(layer.adcs, layer.spares):
            stepped[adc, spare] = rng.choice([*range(layer.conversions), 0xFFFF])
            macro.cycle(adjust_strobe=1, adjust_adc=adc, adjust_what=2 + spare, adjust_value=int(stepped[adc, spare]))
        macro.cycle(adjust_strobe=1, adjust_what=int(rng.integers(2)), adjust_value=0x55)  # a trim
        macro.cycle(adjust_what=2 if layer.spares else 0, adjust_value=0)  # without a strobe
        for step in range(layer.conversions):
            convert(step)
    broken_off("cancel")
    for step in range(layer.conversions):
        convert(step)
    broken_off("rst")
    stepped[:] = 0xFFFF
    data = random_network(Design("one", (layer,)), rng).layers[0]
    for row, column in cells[:5]:
        program(row, column, cancel=1)  # programming goes on
    for step in range(layer.conversions):
        convert(step)
    if layer.programming == "level":
        level = int(to_wire(data.weights[0, order[0]], layer.weight_bits))
        macro.cycle(program_strobe=1, rst=1, program_level=level)
    else:
        macro.cycle(program_strobe=1, rst=1, program_up=1)
    macro.cycle()  # no program_done out of a reset
    macro.run(tmp_path)


@pytest.mark.parametrize("preset", [False, True])
def test_a_seal_is_programmed_as_a_cell_is_and_keeps_through_resets(preset, tmp_path):
    """Cells that are preset from a file are sealed."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    layer = LAYERS["one cell"]
    macro = Macro(layer)
    macro.sealed = int(preset)
    for sealed in (1, 0, 0, 1, 1, 0):
        macro.cycle(**{"seal" if sealed else "unseal": 1})
        macro.sealed = sealed
        macro.cycle(program_done=True)
        macro.cycle(cancel=1)
        macro.cycle(rst=1)
        macro.cycle(program_strobe=1)
        macro.cycle(program_done=True)
        macro.cycle()
    (tmp_path / "cells.hex").write_text("1\n")
    macro.run(tmp_path, *([f"+{layer.macro_name}=cells.hex"] if preset else []))


def test_a_conversion_is_done_once(tmp_path):
    """However long the macro is left alone: more cycles here than its counter has numbers."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    macro = Macro(LAYERS["one bit"])
    macro.cycle(convert=1)
    for k in range(1, 2**16 + 8):
        macro.cycle(done=k == 3)
    macro.run(tmp_path)


NAMES = {
    "ohmgate_array_2p2b1x8_k4_d4w4n4g4": LAYERS["lstm"],
    "ohmgate_array_3v5p1b2x4_k4_d3w2n5g4": LAYERS["driven lstm"],
    "ohmgate_array_2v2p2b1x8_k4_d4w4n4g4": LstmLayer(inputs=2, hidden=2, adcs=4, input_drive=2),
    "ohmgate_array_2v3p2b2x8_k4_d3i8w4n4g4": LAYERS["wide inputs"],
    "ohmgate_array_1p4b0x16_k8_d8w8n8g4_t7": LAYERS["fixed lstm"],
    "ohmgate_array_3b1x6_k2_d4w4n3g1": LAYERS["dense"],
    "ohmgate_array_2p2b2x8_k4_d4i3w4n4g4_s2": LAYERS["diagnosed lstm"],
    "ohmgate_array_3b0x3_k3_d4w4n4g1_t3_s0": LAYERS["diagnosed without bias"],
    "ohmgate_array_2b0x4_k2_d4w4n4g1_s2p": LAYERS["pulsed dense"],
    "ohmgate_array_1b0x1_k1_d1w3n2g1_t2": LAYERS["one cell"],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_macros_name_holds_every_parameter(name):
    assert NAMES[name].macro_name == name
    assert f"module {name} (" in behavioural(NAMES[name])


def test_a_macro_that_two_layers_share_has_one_view():
    one = LstmLayer(inputs=2, hidden=2, adcs=4)
    other = LstmLayer(inputs=2, hidden=2, adcs=4, cell_bits=8, cell_fraction=6)  # another periphery
    driven = LstmLayer(inputs=2, hidden=2, adcs=4, input_drive=3)
    names = [layer.macro_name for layer in unique_layers(Design("three", (one, driven, other)))]
    assert names == [one.macro_name, driven.macro_name]
