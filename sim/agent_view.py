"""The co-simulation's view of an array macro: timing in Verilog, codes from the Python array model."""

from ..hdl.array_macro import macro_ports
from ..hdl.macro_views import module_header
from ..model.layers import Layer
from .wrapper import PUBLIC


def agent_view(layer: Layer) -> str:
    """A macro whose codes a test bench writes while a conversion runs.

    ``agent_request`` toggles when a conversion begins, ``agent_program`` when a cell is written. The test bench
    answers by writing ``agent_codes`` and, where the macro says when it is done, ``agent_cycles``. ``codes`` is
    unknown (X) in every cycle in which the periphery must not take it.
    """
    width = {port.name: port.width for port in macro_ports(layer)}
    fixed = layer.conversion_cycles
    done = "" if fixed else "    assign done = finished;\n"
    return f"""{module_header(layer, PUBLIC)}    reg [{width["codes"] - 1}:0] agent_codes{PUBLIC};
    reg [15:0] agent_cycles{PUBLIC};
    reg [15:0] agent_program_cycles{PUBLIC};
    reg agent_request{PUBLIC};
    reg agent_program{PUBLIC};
    reg [15:0] elapsed;
    reg [15:0] program_elapsed;
    reg converting;
    reg programming;
    wire finished = converting && elapsed == agent_cycles - 16'd1;

    initial begin
        agent_codes = 0;
        agent_cycles = {fixed or 2};
        agent_program_cycles = 2;
        agent_request = 0;
        agent_program = 0;
        elapsed = 0;
        program_elapsed = 0;
        converting = 0;
        programming = 0;
    end

    assign codes = finished ? agent_codes : {width["codes"]}'bx;
    assign program_done = programming && program_elapsed == agent_program_cycles - 16'd1;
{done}
    always @(posedge clk) begin
        elapsed <= elapsed + 16'd1;
        program_elapsed <= program_elapsed + 16'd1;
        if (finished) converting <= 0;
        if (program_done) programming <= 0;
        if (convert) begin
            converting <= 1;
            elapsed <= 1;
            agent_request <= ~agent_request;
        end
        if (program_strobe) begin
            programming <= 1;
            program_elapsed <= 1;
            agent_program <= ~agent_program;
        end
        if (rst || cancel) converting <= 0;
        if (rst) programming <= 0;
    end
endmodule
"""
