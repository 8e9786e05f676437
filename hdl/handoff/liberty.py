"""A macro's Liberty: pins, directions, and the timing that a static timer needs at its border."""

from ..macro_views import GROUND, POWER
from ..ports import Port
from .outline import Outline

SETUP, HOLD = 0.1, 0.0  #: ns, of inputs: a hold above what the macro needs would fill the chip with buffers
CLOCK_TO_OUTPUT, TRANSITION = 0.3, 0.05  #: ns
CAPACITANCE, MAX_CAPACITANCE = 0.005, 0.1  #: pF, of an input; that an output drives
PLACEHOLDER = (
    f"Times and capacitances are guesses: setup {SETUP} ns, hold {HOLD} ns, clock to output {CLOCK_TO_OUTPUT} ns, "
    f"{CAPACITANCE} pF an input."
)


def liberty(outline: Outline) -> str:
    """Liberty of a macro, a library of its own; plain text that OpenSTA, Yosys and OpenROAD read."""
    widths = sorted({port.width for port in outline.ports if port.width > 1})
    remarks = "".join(f"  /* PLACEHOLDER: {text} */\n" for text in (PLACEHOLDER, *outline.placeholders))
    types = "".join(_type(width) for width in widths)
    supply = "".join(
        f'    pg_pin ({name}) {{\n      voltage_name : "{name}";\n      pg_type : {kind};\n    }}\n'
        for name, kind in ((POWER, "primary_power"), (GROUND, "primary_ground"))
    )
    pins = "".join(_port(port) for port in outline.ports)
    return f"""library ({outline.name}) {{
{remarks}  technology (cmos);
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf);
  nom_process : 1.0;
  nom_temperature : 25.0;
  nom_voltage : 1.0;
  input_threshold_pct_rise : 50.0;
  input_threshold_pct_fall : 50.0;
  output_threshold_pct_rise : 50.0;
  output_threshold_pct_fall : 50.0;
  slew_lower_threshold_pct_rise : 20.0;
  slew_lower_threshold_pct_fall : 20.0;
  slew_upper_threshold_pct_rise : 80.0;
  slew_upper_threshold_pct_fall : 80.0;
  voltage_map ({POWER}, 1.0);
  voltage_map ({GROUND}, 0.0);
{types}  cell ({outline.name}) {{
    area : {outline.area:.6f};
    dont_touch : true;
    dont_use : true;
    is_macro_cell : true;
    interface_timing : true;
{supply}{pins}  }}
}}
"""


def _type(width: int) -> str:
    return f"""  type (bus_{width}) {{
    base_type : array;
    data_type : bit;
    bit_width : {width};
    bit_from : {width - 1};
    bit_to : 0;
    downto : true;
  }}
"""


def _port(port: Port) -> str:
    supply = [f"related_power_pin : {POWER};", f"related_ground_pin : {GROUND};"]
    lines = [f"direction : {port.direction};", *_electrical(port)]
    if port.width == 1:
        return "".join(f"{' ' * 4}{line}\n" for line in [f"pin ({port.name}) {{", *_in([*supply, *lines]), "}"])
    bits = [f"pin ({port.name}[{port.width - 1}:0]) {{", *_in([*supply, *lines]), "}"]
    bus = [f"bus ({port.name}) {{", *_in([f"bus_type : bus_{port.width};", f"direction : {port.direction};", *bits])]
    return "".join(f"{' ' * 4}{line}\n" for line in [*bus, "}"])


def _electrical(port: Port) -> list[str]:
    if port.name == "clk":
        return [f"capacitance : {CAPACITANCE};", "clock : true;"]
    if port.direction == "output":
        delays = [("cell_rise", CLOCK_TO_OUTPUT), ("cell_fall", CLOCK_TO_OUTPUT)]
        delays += [("rise_transition", TRANSITION), ("fall_transition", TRANSITION)]
        return [f"max_capacitance : {MAX_CAPACITANCE};", *_timing("rising_edge", delays)]
    return [
        f"capacitance : {CAPACITANCE};",
        *_timing("setup_rising", [("rise_constraint", SETUP), ("fall_constraint", SETUP)]),
        *_timing("hold_rising", [("rise_constraint", HOLD), ("fall_constraint", HOLD)]),
    ]


def _timing(kind: str, tables: list[tuple[str, float]]) -> list[str]:
    values = [f'{name} (scalar) {{ values ("{value}"); }}' for name, value in tables]
    return ["timing () {", *_in(['related_pin : "clk";', f"timing_type : {kind};", *values]), "}"]


def _in(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
