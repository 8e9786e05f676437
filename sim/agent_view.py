"""The co-simulation's view of an array macro: timing in Verilog, codes from the Python array model."""

from ..hdl.array_macro import macro_ports
from ..hdl.macro_views import module_header
from ..model.layers import Layer
from .wrapper import PUBLIC

#: Rules of the array port (:class:`ohmgate.hdl.array_port.ReadSignature`), by bit of ``agent_broken``.
RULES = (
    "rows, select or their drive changed during a conversion",
    "a conversion began before the one under way had ended",
    "a cell was programmed before the one under way was done",
    "a cell was programmed while the cells were sealed",
    "a trim or a spare column was set during a conversion",
)

ADJUST_PORTS = ("adjust_adc", "adjust_what", "adjust_value")  #: in the order of ``adjusted``, the highest bits first


def agent_view(layer: Layer) -> str:
    """A macro whose codes a test bench writes while a conversion runs.

    ``agent_request`` toggles when a conversion begins, ``agent_program`` when a cell is written. The test bench
    answers by writing ``agent_codes`` and, where the macro says when it is done, ``agent_cycles``. The seal needs no
    answer; it takes as long as a cell and changes at the end, and a reset before that leaves it. ``codes`` is
    unknown (X) in every cycle in which the periphery must not take it; Verilator has no X and gets every bit wrong.
    ``agent_adjust`` toggles when a trim or spare is set, which ``adjusted`` keeps; ``agent_reset`` is high behind
    every reset. ``agent_busy`` counts the cycles in which the array converts, those of ``convert`` and of the codes
    and all between. A bit of ``agent_broken`` is set, and stays, when the periphery breaks one of :data:`RULES`.
    """
    width = {port.name: port.width for port in macro_ports(layer)}
    fixed = layer.conversion_cycles
    names = ("row_codes", "select", *(name for name in ("hidden_drive", "bias_drive") if name in width))
    rules, registers, start, clocked = _adjustments(layer)
    inputs, held = ", ".join(names), sum(width[name] for name in names)
    done = "" if fixed else "    assign done = finished;\n"
    return f"""{module_header(layer, PUBLIC)}    reg [{width["codes"] - 1}:0] agent_codes{PUBLIC};
    reg [15:0] agent_cycles{PUBLIC};
    reg [15:0] agent_program_cycles{PUBLIC};
    reg agent_request{PUBLIC};
    reg agent_program{PUBLIC};
    reg [31:0] agent_busy{PUBLIC};
    reg [15:0] elapsed;
    reg [15:0] program_elapsed;
    reg converting;
    reg programming;
    reg has_seal;
    reg next_seal;
    reg [{rules - 1}:0] agent_broken{PUBLIC};
    reg [{held - 1}:0] held;
    wire [{held - 1}:0] inputs = {{{inputs}}};
    wire strobe = program_strobe || seal || unseal;
    wire finished = converting && elapsed == agent_cycles - 16'd1;
{registers}
    initial begin
        agent_codes = 0;
        agent_cycles = {fixed or 2};
        agent_program_cycles = 2;
        agent_request = 0;
        agent_program = 0;
        agent_busy = 0;
        elapsed = 0;
        program_elapsed = 0;
        converting = 0;
        programming = 0;
        has_seal = 0;
        next_seal = 0;
        agent_broken = 0;
{start}    end

`ifdef VERILATOR
    assign codes = finished ? agent_codes : ~agent_codes;
`else
    assign codes = finished ? agent_codes : {width["codes"]}'bx;
`endif
    assign program_done = programming && program_elapsed == agent_program_cycles - 16'd1;
    assign sealed = has_seal;
{done}
    always @(posedge clk) begin
        elapsed <= elapsed + 16'd1;
        if (convert || converting) agent_busy <= agent_busy + 32'd1;
        program_elapsed <= program_elapsed + 16'd1;
        if (converting && inputs !== held) agent_broken[0] <= 1;
        if (convert && converting) agent_broken[1] <= 1;
        if (strobe && programming && !program_done) agent_broken[2] <= 1;
        if (program_strobe && has_seal) agent_broken[3] <= 1;
        if (finished) converting <= 0;
        if (program_done) begin
            programming <= 0;
            has_seal <= next_seal;
        end
        if (rst || cancel) converting <= 0;
        else if (convert) begin
            converting <= 1;
            elapsed <= 1;
            held <= inputs;
            agent_request <= ~agent_request;
        end
        if (strobe) begin
            programming <= 1;
            program_elapsed <= 1;
            next_seal <= seal || (has_seal && !unseal);
        end
        if (program_strobe) agent_program <= ~agent_program;
        if (rst) programming <= 0;
{clocked}    end
endmodule
"""


def _adjustments(layer: Layer) -> tuple[int, str, str, str]:
    """Rules of a macro, and what one with diagnostics has besides: registers, their start, and what a clock does."""
    if not layer.diagnostics:
        return len(RULES) - 1, "", "", ""
    width = sum(port.width for port in macro_ports(layer) if port.name in ADJUST_PORTS)
    registers = f"""    reg agent_adjust{PUBLIC};
    reg agent_reset{PUBLIC};
    reg [{width - 1}:0] adjusted{PUBLIC};
"""
    start = """        agent_adjust = 0;
        agent_reset = 0;
        adjusted = 0;
"""
    clocked = f"""        agent_reset <= rst;
        if (adjust_strobe) begin
            adjusted <= {{{", ".join(ADJUST_PORTS)}}};
            agent_adjust <= ~agent_adjust;
        end
        if (adjust_strobe && converting && !finished) agent_broken[{len(RULES) - 1}] <= 1;
"""
    return len(RULES), registers, start, clocked
