"""Verilog views of an array macro, all from the one port list: black box and behavioural model.

Plain Verilog-2005, so that every flow and both simulators read them. Parameters are in the macro's name, never
in Verilog parameters: a flow could match the wrong hardened block.
"""

from ..model.design import Design
from ..model.diagnostic_registers import ADJUST_SPARE
from ..model.formats import full_scale, signed_range
from ..model.layers import Layer
from ..model.layout import row_drive
from ..model.network import MULT_BITS, SHIFT_BITS
from .array_macro import macro_ports

DEFAULT_CONVERSION = 4  #: cycles that the behavioural view takes where the macro itself says when
POWER, GROUND = "VDD", "VSS"  #: supply pins of every view, in Verilog only where ``USE_POWER_PINS`` is defined


def unique_layers(design: Design) -> list[Layer]:
    """One layer for each different macro of a design, in order."""
    return list({layer.macro_name: layer for layer in design.layers}.values())


def view_file(view: str, layer: Layer) -> str:
    """Where a view of a layer's macro lies: ``view`` is ``blackbox`` or ``behavioural``."""
    return f"{view}/{layer.macro_name}.v"


def module_header(layer: Layer, mark: str = "") -> str:
    """``module`` line and ports, up to and including the closing ``);``; ``mark`` goes behind every signal's port."""
    width = {port.name: f"[{port.width - 1}:0] " if port.width > 1 else "" for port in macro_ports(layer)}
    ports = ",\n".join(f"    {p.direction} wire {width[p.name]}{p.name}{mark}" for p in macro_ports(layer))
    supply = "".join(f"    inout wire {name},\n" for name in (POWER, GROUND))
    return f"module {layer.macro_name} (\n`ifdef USE_POWER_PINS\n{supply}`endif\n{ports}\n);\n"


def black_box(layer: Layer) -> str:
    """Ports only, for synthesis: the hardened macro takes its place."""
    return _once(layer, "BLACKBOX", f"(* blackbox *)\n{module_header(layer)}endmodule\n")


def _once(layer: Layer, view: str, module: str) -> str:
    """``module`` guarded, as two chips can have the same macro."""
    guard = f"{layer.macro_name}_{view}".upper()
    return f"`ifndef {guard}\n`define {guard}\n{module}`endif\n"


def conversion_cycles(layer: Layer) -> int:
    """Cycles that the behavioural view takes for a conversion."""
    return layer.conversion_cycles or DEFAULT_CONVERSION


def _input_bits(layer: Layer) -> str:
    """Parameters of inputs whose codes have bits of their own: how many, and where the hidden units' codes begin."""
    if not layer.own_input_bits:
        return ""
    return f", DX = {layer.input_bits}, HIDDEN = {layer.inputs * layer.input_bits}"


def _drive(layer: Layer) -> str:
    """Lines that set ``drive`` to a row's code and weigh it."""

    def code(at: str, bits: int, name: str) -> str:
        return f"row_codes[{at}] ? -1 : 1" if bits == 1 else f"$signed(row_codes[{at} +: {name}])"

    lines, drive = [], row_drive(layer)
    if layer.own_input_bits:
        lines.append(f"if (row < INPUTS) drive = {code('row * DX', layer.input_bits, 'DX')};")
        lines.append(f"else if (row < DRIVEN) drive = {code('HIDDEN + (row - INPUTS) * D', layer.dac_bits, 'D')};")
    elif layer.dac_bits > 1:
        lines.append("if (row < DRIVEN) drive = $signed(row_codes[row * D +: D]);")
    else:  # a scalar has no bits
        bit = "row_codes[row]" if layer.inputs + layer.hidden > 1 else "row_codes"
        lines.append(f"if (row < DRIVEN) drive = {bit} ? -1 : 1;")
    if drive[0] > 1:
        lines.append(f"if (row < INPUTS) drive = drive * {drive[0]};")
    if layer.rows > layer.inputs and drive[-1] > 1:
        lines.append(f"if (row >= INPUTS) drive = drive * {drive[-1]};")
    return "".join(f"{20 * ' '}{line}\n" for line in lines)


def behavioural(layer: Layer) -> str:
    """A noiseless model of the macro with the integers of docs/numerics.md.

    Cells can be preset from a file of hexadecimal wire patterns, one a line, rows first, physical columns in
    order: run the simulation with ``+MACRO_NAME=FILE``. Then they are sealed, too. Spares are not in the file: they
    begin at 0 and are programmed over the bus.

    Its converters are ideal: trims are taken, and stored nowhere. A pulse moves a cell by one level, and a strong one
    does no more.
    """
    spares, pulses, tiles = _Spares(layer), _Pulses(layer), _RowTiles(layer)
    programs = f"""\
        if (program_strobe{spares.not_programmed}) level[program_row * COLUMNS + program_column] <= program_level;
{spares.program}"""
    drive_hidden = " && (hidden_drive || row < INPUTS)" if layer.hidden else ""
    low, high = signed_range(layer.adc_bits)
    handshake = "" if layer.conversion_cycles else "    assign done = converting && elapsed == CONVERSION - 1;\n"
    counts = f"row >= DRIVEN || (1{drive_hidden})"
    if layer.diagnostics and layer.bias_rows:
        counts = f"row >= DRIVEN ? bias_drive : (1{drive_hidden})"
    decode_level = "word[0] ? -1 : 1" if layer.weight_bits == 1 else "$signed(word)"
    module = f"""{module_header(layer)}    localparam INPUTS = {layer.inputs}, DRIVEN = {layer.inputs + layer.hidden};
    localparam ROWS = {layer.rows}, COLUMNS = {layer.columns};
    localparam ADCS = {layer.adcs}, STEPS = {layer.conversions}, GATES = {layer.gates};
{tiles.parameters}\
    localparam D = {layer.dac_bits}{_input_bits(layer)}, W = {layer.weight_bits}, N = {layer.adc_bits};
    localparam FULL_SCALE = {full_scale(layer.dac_bits)};
    localparam CONVERSION = {conversion_cycles(layer)};  // cycles, those of convert and done included

    reg [W-1:0] level [0:ROWS*COLUMNS-1];
{pulses.registers}{spares.registers}    reg [W-1:0] word;
    reg [8*1024-1:0] file;
    reg converting;
    reg programmed;
    reg has_seal;  // which a reset does not touch
    reg [15:0] elapsed;
    reg [{tiles.codes}*N-1:0] result;
    integer row, adc, column, gate, index, drive, weight;
    reg signed [63:0] sum, scaled;

    initial begin
        for (index = 0; index < ROWS*COLUMNS; index = index + 1) level[index] = 0;
        has_seal = 0;
        if ($value$plusargs("{layer.macro_name}=%s", file)) begin
            $readmemh(file, level);
            has_seal = 1;
        end
{pulses.initial}{spares.initial}        converting = 0;
        programmed = 0;
        elapsed = 0;
        result = 0;
    end

    assign codes = result;
    assign program_done = programmed;
    assign sealed = has_seal;
{handshake}
    always @(posedge clk) begin
{pulses.program or programs}        if (seal || unseal) has_seal <= seal;
        programmed <= program_strobe || seal || unseal;
        elapsed <= elapsed + 1;
        if (converting && elapsed == CONVERSION - 1) converting <= 0;
        if (convert) begin
            converting <= 1;
            elapsed <= 1;
            for (adc = 0; adc < ADCS; adc = adc + 1) begin
                column = adc * STEPS + select;
                gate = adc / (ADCS / GATES);
{tiles.begin}                sum = 0;
                for ({tiles.rows}; row = row + 1) begin
                    word = level[row * COLUMNS + column];
{spares.read}                    weight = {decode_level};
                    drive = FULL_SCALE;
{_drive(layer)}                    if ({counts}) sum = sum + drive * weight;
                end
                scaled = (sum * $signed({{1'b0, mult[gate * {MULT_BITS} +: {MULT_BITS}]}}))
                    >>> shift[gate * {SHIFT_BITS} +: {SHIFT_BITS}];
{tiles.coarser}                if (scaled < {low}) scaled = {low};
                if (scaled > {high}) scaled = {high};
                result[{tiles.at} * N +: N] <= scaled[N-1:0];
{tiles.end}            end
        end
        if (rst || cancel) converting <= 0;
        if (rst) programmed <= 0;
{spares.adjust}    end
endmodule
"""
    return _once(layer, "BEHAVIOURAL", module)


class _RowTiles:
    """Lines of the behavioural view that go through a column's row tiles, each with a converter of its own."""

    parameters = begin = coarser = end = ""
    codes, rows, at = "ADCS", "row = 0; row < ROWS", "adc"

    def __init__(self, layer: Layer):
        if layer.row_tiles == 1:
            return
        height = layer.row_slices[0].stop
        self.parameters = f"    localparam TILES = {layer.row_tiles}, HEIGHT = {height};  // of rows\n"
        self.codes, self.at = "TILES*ADCS", "(index * ADCS + adc)"
        self.rows = "row = index * HEIGHT; row < ROWS && row < (index + 1) * HEIGHT"
        self.begin = f"{16 * ' '}for (index = 0; index < TILES; index = index + 1) begin\n"
        if layer.input_tile_shift:  # the step of such a tile's converter is so much coarser
            count = sum(shift > 0 for shift in layer.tile_shifts)
            self.coarser = f"{16 * ' '}if (index < {count}) scaled = scaled >>> {layer.input_tile_shift};\n"
        self.end = f"{16 * ' '}end\n"


class _Pulses:
    """Lines of the behavioural view for cells that take pulses; all are empty for those that take levels."""

    registers = initial = program = ""

    def __init__(self, layer: Layer):
        if layer.programming == "level":
            return
        top, spare = full_scale(layer.weight_bits), "spare_" if layer.spares else ""
        kinds = {"": "ROWS*COLUMNS"} | ({spare: "ROWS*ADCS*SPARES"} if spare else {})
        spares = f"    localparam SPARES = {layer.spares};  // of an ADC\n" if spare else ""
        self.registers = "".join(
            f"    reg [W-1:0] {kind}{cell} [0:{size}-1];\n"
            for kind, size in kinds.items()
            for cell in ("positive", "negative")
        )
        self.registers = f"{spares}{self.registers}    reg [W-1:0] pulsed, other;\n    integer cell_index;\n"
        self.initial = """        for (index = 0; index < ROWS*COLUMNS; index = index + 1) begin
            positive[index] = level[index][W-1] ? 0 : level[index];
            negative[index] = level[index][W-1] ? -level[index] : 0;
        end
"""
        if spare:
            self.initial += """        for (index = 0; index < ROWS*ADCS*SPARES; index = index + 1) begin
            spare_positive[index] = 0;
            spare_negative[index] = 0;
        end
"""
        own = " && program_column < COLUMNS" if spare else ""
        places = {"": ("program_row * COLUMNS + program_column", own)}
        if spare:
            at = "program_row * ADCS * SPARES + program_column - COLUMNS"
            places[spare] = (at, " && program_column >= COLUMNS")
        for kind, (place, condition) in places.items():
            self.program += f"""        if (program_strobe{condition}) begin
            cell_index = {place};
            pulsed = program_cell ? {kind}negative[cell_index] : {kind}positive[cell_index];
            other = program_cell ? {kind}positive[cell_index] : {kind}negative[cell_index];
            if (program_up && pulsed != {top}) pulsed = pulsed + 1;
            if (!program_up && pulsed != 0) pulsed = pulsed - 1;
            if (program_cell) {kind}negative[cell_index] <= pulsed;
            else {kind}positive[cell_index] <= pulsed;
            {kind}level[cell_index] <= program_cell ? other - pulsed : pulsed - other;
        end
"""


class _Spares:
    """Lines of the behavioural view that a layer's spare columns add; all are empty without any."""

    registers = initial = not_programmed = program = read = adjust = ""

    def __init__(self, layer: Layer):
        if not layer.spares:
            return
        number = f"    localparam SPARES = {layer.spares};  // of an ADC\n" if layer.programming == "level" else ""
        self.registers = f"""{number}    reg [W-1:0] spare_level [0:ROWS*ADCS*SPARES-1];
    reg [ADCS*SPARES*16-1:0] spare_step;  // in which each is read in place of its ADC's own column
"""
        self.initial = """        for (index = 0; index < ROWS*ADCS*SPARES; index = index + 1) spare_level[index] = 0;
        spare_step = {ADCS*SPARES{16'hFFFF}};
"""
        self.not_programmed = " && program_column < COLUMNS"
        self.program = """        if (program_strobe && program_column >= COLUMNS)
            spare_level[program_row * ADCS * SPARES + program_column - COLUMNS] <= program_level;
"""
        self.read = f"""{20 * " "}for (index = adc * SPARES; index < (adc + 1) * SPARES; index = index + 1)
{24 * " "}if (spare_step[index * 16 +: 16] == select) word = spare_level[row * ADCS * SPARES + index];
"""
        self.adjust = f"""        if (adjust_strobe && adjust_what >= {ADJUST_SPARE})
            spare_step[(adjust_adc * SPARES + adjust_what - {ADJUST_SPARE}) * 16 +: 16] <= adjust_value;
        if (rst) spare_step <= {{ADCS*SPARES{{16'hFFFF}}}};
"""
