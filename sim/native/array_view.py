"""The native simulation's view of an array macro: timing in Verilog, codes from the C++ array by DPI calls."""

from collections.abc import Sequence

from ...hdl.array_macro import macro_ports
from ...hdl.macro_views import module_header
from ...model.layers import Layer
from ..agent_view import RULES

HELD = ("row_codes", "select", "hidden_drive", "bias_drive")  #: inputs that stay during a conversion
SEEN = (*HELD, "mult", "shift")  #: inputs that decide a conversion's codes, the lowest bits first
CHANGED, OVERLAPS, SEALED, ADJUSTS = (
    0,
    1,
    3,
    4,
)  #: of :data:`~..agent_view.RULES`; programming takes no time to overlap
WORD = 32  #: bits; what a DPI call carries is a vector of words, two at least


def seen_fields(layer: Layer) -> dict[str, tuple[int, int]]:
    """Lowest bit and width of each input of the macro in what ``ohmgate_convert`` gets."""
    widths = {port.name: port.width for port in macro_ports(layer)}
    fields, lsb = {}, 0
    for name in SEEN:
        if name in widths:
            fields[name] = lsb, widths[name]
            lsb += widths[name]
    return fields


def call_words(layers: Sequence[Layer]) -> tuple[int, int]:
    """Words that a DPI call has for a macro's inputs and for its codes: enough for all ``layers``."""
    seen = max(sum(width for _, width in seen_fields(layer).values()) for layer in layers)
    codes = max(layer.codes_at_once * layer.adc_bits for layer in layers)
    return max(2, -(-seen // WORD)), max(2, -(-codes // WORD))


def array_view(layer: Layer, words: tuple[int, int]) -> str:
    """A macro that asks C++ for the codes of each conversion, and gives it each cell that is programmed.

    ``words`` are those of :func:`call_words`. A conversion takes as many cycles as C++ says, or the design. ``codes``
    are wrong in every cycle in which the periphery must not take them. Programming takes the least time, two cycles.
    Broken rules of the array port are told by their number in :data:`~..agent_view.RULES`.
    """
    width = {port.name: port.width for port in macro_ports(layer)}
    held = [name for name in HELD if name in width]
    seen = [name for name in SEEN if name in width]
    count = sum(width[name] for name in held)
    unused = WORD * words[0] - sum(width[name] for name in seen)
    padding = f"{unused}'d0, " if unused else ""
    handshake = "" if layer.conversion_cycles else "    assign done = finished;\n"
    if layer.programming == "pulse":
        level = "{29'd0, program_strong, program_up, program_cell}"
    else:
        level = f"{{{WORD - width['program_level']}'d0, program_level}}"
    adjusts = ""
    if layer.diagnostics:
        adjusts = f"""        if (adjust_strobe) begin
            if (converting && !finished) ohmgate_broke(self, {ADJUSTS});
            ohmgate_adjust(self, {{{WORD - width["adjust_adc"]}'d0, adjust_adc}},
                {{{WORD - width["adjust_what"]}'d0, adjust_what}}, {{16'd0, adjust_value}});
        end
"""
    assert len(RULES) == ADJUSTS + 1
    return f"""{module_header(layer)}    import "DPI-C" function int ohmgate_array(input string path);
    import "DPI-C" function int ohmgate_has_seal(input int array);
    import "DPI-C" function void ohmgate_convert(input int array, input bit [{WORD * words[0] - 1}:0] seen,
        output bit [{WORD * words[1] - 1}:0] codes, output int cycles);
    import "DPI-C" function void ohmgate_program(input int array, input int row, input int column, input int level);
    import "DPI-C" function void ohmgate_adjust(input int array, input int adc, input int what, input int value);
    import "DPI-C" function void ohmgate_broke(input int array, input int rule);

    int self, duration;
    bit [{WORD * words[1] - 1}:0] answer;
    reg [{width["codes"] - 1}:0] taken;
    reg [15:0] cycles, elapsed;
    reg converting, programmed, has_seal;
    reg [{count - 1}:0] held;
    wire [{count - 1}:0] inputs = {{{", ".join(reversed(held))}}};
    wire finished = converting && elapsed == cycles - 16'd1;

    initial begin
        self = ohmgate_array($sformatf("%m"));
        has_seal = ohmgate_has_seal(self) != 0;
        converting = 0;
        programmed = 0;
        cycles = 2;
        elapsed = 0;
        taken = 0;
        held = 0;
    end

    assign codes = finished ? taken : ~taken;
    assign program_done = programmed;
    assign sealed = has_seal;
{handshake}
    always @(posedge clk) begin
        elapsed <= elapsed + 16'd1;
        if (converting && inputs != held) ohmgate_broke(self, {CHANGED});
        if (convert && converting) ohmgate_broke(self, {OVERLAPS});
        if (program_strobe && has_seal) ohmgate_broke(self, {SEALED});
        if (finished) converting <= 0;
        if (rst || cancel) converting <= 0;
        else if (convert) begin
            converting <= 1;
            elapsed <= 1;
            held <= inputs;
            ohmgate_convert(self, {{{padding}{", ".join(reversed(seen))}}}, answer, duration);
            taken <= answer[{width["codes"] - 1}:0];
            cycles <= duration[15:0];
        end
        programmed <= !rst && (program_strobe || seal || unseal);
        if (seal || unseal) has_seal <= seal;
        if (program_strobe) ohmgate_program(self, {_word("program_row", width)}, {_word("program_column", width)},
            {level});
{adjusts}    end
endmodule
"""


def _word(name: str, width: dict[str, int]) -> str:
    """A port as a word."""
    return f"{{{WORD - width[name]}'d0, {name}}}"
