"""The generated chip with the behavioural view of its arrays, in plain Verilog: no X after reset, right answers."""

import re
import subprocess

import numpy as np
import pytest

from ohmgate.firmware.loader import Read, load
from ohmgate.hdl.chip import chip_ports
from ohmgate.hdl.flow.generate import generate
from ohmgate.hdl.flow.verilator import tool_path
from ohmgate.hdl.macro_views import unique_layers
from ohmgate.model.design import Design
from ohmgate.model.formats import to_wire
from ohmgate.model.layers import LstmLayer
from ohmgate.model.layout import physical_order
from ohmgate.model.reference import run
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.bit_fields import pack
from ohmgate.sim.compare import output_numbers
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_design, random_inputs, random_network
from tests.firmware.fake_device import FakeDevice


def bench(network, sequences, weights: bool) -> str:
    """A test bench without tasks of a test framework: reset, load, send sequences, abandon the first one once more.

    The first sequence is sent, its last step's conversion is broken off by a reset over the bus, and all are sent.
    """
    design = network.design
    ports = [port for port in chip_ports(design, trace=False) if port.name not in ("clk", "rst")]
    declarations, checks = [], []
    for port in ports:
        kind = "reg" if port.direction == "input" else "wire"
        initial = " = 0" if kind == "reg" else ""
        declarations.append(f"    {kind} [{port.width - 1}:0] {port.name}{initial};")
        if port.direction == "output":
            checks.append(f'        if ((^{port.name}) === 1\'bx) $display("UNKNOWN {port.name}");')
    connections = ", ".join(f".{p.name}({p.name})" for p in ports)
    actions = []
    for address, value in _writes(network, weights):
        actions.append(f"        access({address // 4}, 32'd{value});")
    layer = design.layers[0]
    width = layer.dac_bits * layer.inputs
    restart = BY_NAME["CONTROL"].pack(ENABLE=1, RESET=1)
    for number, codes in enumerate([sequences[0], *sequences]):
        for t, step in enumerate(codes):
            payload = pack(to_wire(step, layer.dac_bits), layer.dac_bits)
            payload |= int(t == 0) << width | int(t == len(codes) - 1) << width + 1
            actions.append(f"        send({width + 2}'h{payload:x});")
        if number == 0:
            actions.append(f"        access({BY_NAME['CONTROL'].address // 4}, 32'd{restart});")
            actions.append('        $display("RESTARTED");')
    newline = "\n"
    return f"""`timescale 1ns/1ns
module bench;
    reg clk = 0, rst = 1;
{newline.join(declarations)}
    {design.name} dut (.clk(clk), .rst(rst), {connections});
    always #5 clk = ~clk;
    always @(posedge clk) if (y__valid && y__ready) $display("RESULT %h", y__payload);
    task check; begin
{newline.join(checks)}
    end endtask
    task access(input [4:0] where, input [31:0] value); begin
        @(negedge clk); bus__adr = where; bus__dat_w = value; bus__we = 1; bus__cyc = 1; bus__stb = 1; bus__sel = 15;
        @(negedge clk); while (!bus__ack && !bus__err) @(negedge clk);
        if (bus__err) $display("REFUSED %h", where);
        bus__cyc = 0; bus__stb = 0;
    end endtask
    task send(input [{width + 1}:0] value); begin
        @(negedge clk); x__payload = value; x__valid = 1;
        while (!x__ready) @(negedge clk);
        @(negedge clk); x__valid = 0;
    end endtask
    initial begin
        repeat (3) @(negedge clk);
        rst = 0;
        repeat (4) begin check; @(negedge clk); end
        y__ready = 1;
{newline.join(actions)}
        repeat (400) @(negedge clk);
        check;
        $display("END");
        $finish;
    end
endmodule
"""


def _writes(network, weights: bool) -> list[tuple[int, int]]:
    """(address, value) of the loader's writes; without ``weights`` no cell is programmed."""
    device, transactions, answer, writes = FakeDevice(network.design), load(network, weights=weights), None, []
    while True:
        try:
            transaction = transactions.send(answer)
        except StopIteration:
            return writes
        address, answer = transaction.register.address, None
        if isinstance(transaction, Read):
            answer = device.read(address)
        else:
            device.write(address, transaction.value)
            writes.append((address, transaction.value))


def simulate(simulator: str, network, sequences, folder, programmed: bool) -> str:
    """Output of the bench; the cells are ``programmed`` over the bus, or preset by ``$readmemh``."""
    design = network.design
    verilog, _, views, *_ = generate(design, folder)
    (folder / "bench.v").write_text(bench(network, sequences, programmed))
    preset = []
    for index, layer in enumerate(design.layers):
        if programmed:
            break
        cells = to_wire(network.layers[index].weights[:, physical_order(layer)], layer.weight_bits)
        (folder / f"{index}.hex").write_text("".join(f"{v:x}\n" for v in cells.reshape(-1)))
        preset.append(f"+{layer.macro_name}={index}.hex")
    sources = ["bench.v", verilog.name, views.name]
    build = {
        "icarus": ["iverilog", "-g2005", "-s", "bench", "-o", "bench", *sources],
        "verilator": ["verilator", "--binary", "--timing", "-CFLAGS", "-std=c++20 -fcoroutines -O0", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--top-module",
                      "bench", "--Mdir", "build", "-o", "../bench", *sources],
    }[simulator]  # fmt: skip
    with tool_path():
        subprocess.run(build, cwd=folder, check=True, capture_output=True)
        start = ["vvp", "-n", "bench"] if simulator == "icarus" else ["./bench"]
        return subprocess.run([*start, *preset], cwd=folder, check=True, capture_output=True, text=True).stdout


def unlike_macros(seed: int, **limits) -> Design:
    """A random design in which no two layers share a macro, so that each can have cells of its own."""
    rng = np.random.default_rng([11, seed])
    while True:
        design = random_design(rng, **limits)
        if len(unique_layers(design)) == len(design.layers):
            return design


DRIVEN = Design("driven", (
    LstmLayer(inputs=2, hidden=3, adcs=4, input_drive=6, bias_rows=2),
    LstmLayer(inputs=3, hidden=2, adcs=8, conversion_cycles=3, tables="constant"),
))  # fmt: skip
CASES = [
    *(("icarus", unlike_macros(seed, max_outputs=4), seed % 2 == 1) for seed in range(4)),
    ("icarus", DRIVEN, True),
    pytest.param("verilator", unlike_macros(4, max_outputs=4), True, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("simulator, design, programmed", CASES)
def test_no_x_after_reset_and_the_references_integers(simulator, design, programmed, tmp_path):
    problem = missing_tools(simulator)
    if problem:
        pytest.skip(problem)
    rng = np.random.default_rng(len(design.layers))
    network = random_network(design, rng)
    codes, _ = random_inputs(design, rng, batch=3, steps=4)
    lengths = np.array([4, 1, 3])
    out = simulate(simulator, network, [c[:n] for c, n in zip(codes, lengths)], tmp_path, programmed)
    assert "UNKNOWN" not in out
    assert "REFUSED" not in out
    assert "END" in out
    layer = design.layers[-1]
    shown = re.findall(r"^RESULT ([0-9a-f]+)$", out.partition("RESTARTED")[2], re.M)
    got = [output_numbers(layer, int(v, 16))[:-2].tolist() for v in shown]
    result = run(network, codes, lengths)
    if getattr(layer, "emit", "step") == "end":
        expected = result.out.tolist()
    else:
        expected = [row.tolist() for out, n in zip(result.out, lengths) for row in out[:n]]
    assert got == expected
