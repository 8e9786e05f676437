"""A test bench in plain Verilog, with its vectors: for those who simulate a chip without Python.

It loads a network over the register bus, abandons a first sequence by a reset, then sends all of them with idle
cycles between the time steps, refuses results now and then, and compares each with the integer reference's.
"""

from collections import Counter

import numpy as np

from ..firmware.loader import load
from ..firmware.transactions import Transactions, Write
from ..hdl.chip import chip_ports
from ..hdl.register_twin import RegisterTwin
from ..hdl.streams import output_layout
from ..model.design import Design
from ..model.formats import DesignError, to_wire
from ..model.layout import physical_order
from ..model.network import Network
from ..model.payloads import result_payload, step_payload
from ..model.reference import check_inputs, check_votes, last_codes, results_given, run, voted
from ..model.registers import BY_NAME

PATIENCE = 100_000  #: cycles in which an access, an input or a result must come
PLACE_BITS = 32  #: of a result's sequence, and of its time step


def bench_files(network: Network, codes: np.ndarray, lengths: np.ndarray) -> dict[str, str]:
    """The texts of all files by their names, for the DAC codes (B, T, m) of sequences of ``lengths`` (B,).

    ``NAME_tb.v`` is the bench, for the chip and a view of its macros. It prints one line that begins with PASS or
    FAIL; after FAIL it ends by $fatal, so that the simulator's exit status is not 0. It reads ``NAME_tb_load.hex``
    (register writes: address, word), ``NAME_tb_inputs.hex`` and ``NAME_tb_results.hex`` (sequence, time step,
    payload). ``MACRO.hex`` has the cells for ``+MACRO=FILE`` of the behavioural view; a macro that several layers
    share has none, as all of them would read it. Raises :class:`DesignError` for a design with contexts, or votes
    that are not all there.
    """
    if network.design.contexts > 1:
        raise DesignError(
            f"the test bench sends one sequence after the other: contexts must be 1, not {network.design.contexts}"
        )
    codes, lengths = check_inputs(network, codes, lengths)
    check_votes(network.design, len(lengths))
    name, layers = network.design.name, network.design.layers
    writes, inputs, results = _writes(load(network), RegisterTwin(network.design)), [], []
    for sequence, length in zip(codes, lengths):
        for step in range(length):
            inputs.append(step_payload(layers[0], sequence[step], step == 0, step == length - 1))
    trace, head = run(network, codes, lengths).layers[-1], layers[-1]
    given = np.argwhere(results_given(head, lengths, codes.shape[1]))
    values = trace.out[tuple(given.T)]
    if head.votes > 1:
        values = voted(head, last_codes(head, trace, lengths))
    for (sequence, step), result in zip(given, values):
        payload = result_payload(head, result, step == 0, step == lengths[sequence] - 1)
        place = int(sequence) << PLACE_BITS | int(step)
        results.append(place << output_layout(head).size | payload)
    files = {
        f"{name}_tb.v": _bench(network.design, len(writes), len(inputs), len(results), int(lengths[0])),
        f"{name}_tb_load.hex": _hex(address << 32 | word for address, word in writes),
        f"{name}_tb_inputs.hex": _hex(inputs),
        f"{name}_tb_results.hex": _hex(results),
    }
    for layer, data in zip(layers, network.layers):
        if layer.macro_name in own_macros(network.design):
            cells = to_wire(data.weights[:, physical_order(layer)], layer.weight_bits)
            files[f"{layer.macro_name}.hex"] = _hex(cells.reshape(-1))
    return files


def own_macros(design: Design) -> list[str]:
    """Names of the macros that only one layer has."""
    uses = Counter(layer.macro_name for layer in design.layers)
    return [name for name, count in uses.items() if count == 1]


def _hex(words) -> str:
    """A file for ``$readmemh``."""
    return "".join(f"{int(word):x}\n" for word in words)


def _writes(transactions: Transactions, device: RegisterTwin) -> list[tuple[int, int]]:
    """(address, word) of each write of the loader but the last, which enables the device."""
    answer, writes = None, []
    while True:
        try:
            transaction = transactions.send(answer)
        except StopIteration:
            return writes[:-1]
        address, answer = transaction.register.address, None
        if isinstance(transaction, Write):
            writes.append((address, transaction.value))
            device.access(*writes[-1])
        else:
            answer = device.access(address)


def _bench(design: Design, writes: int, inputs: int, results: int, first: int) -> str:
    """The bench's Verilog; ``first`` is the number of time steps of the first sequence."""
    ports = [port for port in chip_ports(design, trace=False) if port.name not in ("clk", "rst")]
    kinds = {"input": ("reg", " = 0"), "output": ("wire", "")}
    declarations = "\n".join(
        f"    {kinds[p.direction][0]} [{p.width - 1}:0] {p.name}{kinds[p.direction][1]};" for p in ports
    )
    connections = ",\n".join(f"        .{p.name}({p.name})" for p in ports)
    unknown = "\n".join(
        f'        if ((^{p.name}) === 1\'bx) fail("output {p.name} is unknown (X) after the reset");'
        for p in ports
        if p.direction == "output"
    )
    width = {port.name: port.width for port in ports}
    register = {name: BY_NAME[name].address // 4 for name in ("CONTROL", "STATUS", "LEVEL")}
    status = BY_NAME["STATUS"]
    bit = {field.name: field.lsb for field in status.fields}
    control = BY_NAME["CONTROL"]
    place = width["y__payload"]
    macros = own_macros(design)
    cells = "// Some layers share a macro, so the cells are always programmed over the bus.\n"
    if len(macros) == len(design.layers):
        presets = "".join(f" \\\n//     +{name}={name}.hex" for name in macros)
        cells = f"// To have the cells from files, not programmed over the bus, add +preset{presets}\n"
    sources = f"{design.name}_tb.v {design.name}.v -y behavioural"
    return f"""// A self-checking test bench of the chip {design.name}, fingerprint {design.fingerprint}.
// It prints PASS or FAIL; after FAIL the simulator's exit status is not 0. Run it in its folder:
//   > iverilog -g2005 -o tb {sources} && vvp -n tb
//   > verilator --binary --timing -CFLAGS "-std=c++20 -fcoroutines" -Wno-lint -Wno-style -Wno-fatal \\
//     --top-module {design.name}_tb {sources}
//   > obj_dir/V{design.name}_tb
{cells}// To leave out the idle cycles and the refusals, add +steady
`timescale 1ns/1ns
module {design.name}_tb;
    localparam WRITES = {writes}, INPUTS = {inputs}, RESULTS = {results}, FIRST = {first};
    localparam PATIENCE = {PATIENCE};  // cycles in which an access, an input or a result must come

    reg clk = 0, rst = 1;
{declarations}
    {design.name} dut (
        .clk(clk),
        .rst(rst),
{connections}
    );

    reg [39:0] write [0:WRITES-1];  // byte address, word
    reg [{width["x__payload"] - 1}:0] step [0:INPUTS-1];
    reg [{2 * PLACE_BITS + place - 1}:0] result [0:RESULTS-1];  // sequence, time step, payload
    reg [{2 * PLACE_BITS + place - 1}:0] expected;
    reg [15:0] random = 16'hace1;  // of the stalls
    reg preset, steady = 0, over = 0, counts = 0, refused;
    integer cycle = 0, moved = 0, got = 0, wrong = 0, index;

    always #5 clk = ~clk;

    task fail(input [8*80-1:0] what); begin
        if (!over) begin
            over = 1;
            $display("FAIL: %0s, in clock cycle %0d", what, cycle);
            $fatal(0);
        end
    end endtask

    always @(posedge clk) begin
        cycle = cycle + 1;
        if (y__valid && y__ready && counts) begin
            moved = cycle;
            expected = result[got < RESULTS ? got : 0];
            if (got >= RESULTS) fail("a result more than there should be");
            else if (y__payload !== expected[{place - 1}:0]) begin
                if (wrong == 0)
                    $display("first difference: sequence %0d, time step %0d: expected %h, got %h, in clock cycle %0d",
                        expected[{place + PLACE_BITS} +: {PLACE_BITS}], expected[{place} +: {PLACE_BITS}],
                        expected[{place - 1}:0], y__payload, cycle);
                wrong = wrong + 1;
            end
            got = got + 1;
        end
        if (cycle - moved > PATIENCE) fail("nothing moves");
    end

    always @(negedge clk) begin  // a result may be refused until it is taken
        random = {{random[14:0], random[15] ^ random[13] ^ random[12] ^ random[10]}};
        y__ready = steady || random[1:0] != 0;
    end

    task access(input [{width["bus__adr"] - 1}:0] register, input writes, input [31:0] word); begin
        @(negedge clk);
        bus__adr = register; bus__we = writes; bus__dat_w = word; bus__sel = 15; bus__cyc = 1; bus__stb = 1;
        @(negedge clk);
        while (!bus__ack && !bus__err) @(negedge clk);
        refused = bus__err;
        bus__cyc = 0; bus__stb = 0;
        if (register != {register["STATUS"]}) moved = cycle;  // which is asked again and again
        if (refused) fail("the register bus refuses an access");
    end endtask

    task send(input [{width["x__payload"] - 1}:0] payload); begin
        @(negedge clk);
        if (!steady && random[3:2] == 0) repeat (1 + random[6:4]) @(negedge clk);
        x__payload = payload; x__valid = 1;
        while (!x__ready) @(negedge clk);
        @(negedge clk);
        x__valid = 0;
        moved = cycle;
    end endtask

    initial begin
        $readmemh("{design.name}_tb_load.hex", write);
        $readmemh("{design.name}_tb_inputs.hex", step);
        $readmemh("{design.name}_tb_results.hex", result);
        preset = $test$plusargs("preset");
        steady = $test$plusargs("steady");
        repeat (3) @(negedge clk);
        rst = 0;
        @(negedge clk);
{unknown}
        for (index = 0; index < WRITES; index = index + 1)
            if (!preset || write[index][39:32] != 8'd{4 * register["LEVEL"]})
                access(write[index][39:34], 1, write[index][31:0]);
        access({register["STATUS"]}, 0, 0);
        while (bus__dat_r[{bit["PROGRAMMING"]}]) access({register["STATUS"]}, 0, 0);
        if (!bus__dat_r[{bit["UNLOCKED"]}] || bus__dat_r[{bit["ERROR"]}]) fail("the device does not take the image");
        access({register["CONTROL"]}, 1, {control.pack(ENABLE=1)});
        for (index = 0; index < FIRST; index = index + 1) send(step[index]);
        access({register["CONTROL"]}, 1, {control.pack(ENABLE=1, RESET=1)});  // what was sent is abandoned
        counts = 1;
        for (index = 0; index < INPUTS; index = index + 1) send(step[index]);
        while (got < RESULTS) @(negedge clk);
        access({register["STATUS"]}, 0, 0);
        while (bus__dat_r[{bit["BUSY"]}]) access({register["STATUS"]}, 0, 0);
        if (!over && wrong != 0) begin
            $display("FAIL: %0d of %0d results differ", wrong, RESULTS);
            $fatal(0);
        end else if (!over) begin
            $display("PASS: %0d results of %0d time steps, in %0d clock cycles", RESULTS, INPUTS, cycle);
            $finish;
        end
    end
endmodule
"""
