"""The chip's timing constraints."""

from ...model.design import Design
from ..chip import chip_ports
from ..macro_views import unique_layers
from .chip import IO_SHARE, Clock, instances
from .compare import physical_file
from .liberty import CLOCK_TO_OUTPUT, HOLD, SETUP


def sdc(design: Design, clock: Clock) -> str:
    """SDC for the flattened netlist; times in ns."""
    ports = [port for port in chip_ports(design, False) if port.name != "clk"]
    inputs, outputs = (
        " ".join(port.name if port.width == 1 else f"{port.name}*" for port in ports if port.direction == direction)
        for direction in ("input", "output")
    )
    guess = "# PLACEHOLDER: the period is a guess, as none was given.\n" if clock.placeholder else ""
    delay = f"{clock.period * IO_SHARE:g}"
    liberties = "".join(f"#   {physical_file('liberty', layer)}\n" for layer in unique_layers(design))
    gains = "\n".join(
        f"set_multicycle_path {check} -to [get_pins {{{name}/mult* {name}/shift*}}]"
        for names in instances(design).values()
        for name in names
        for check in ("-setup 2", "-hold 1")
    )
    return f"""# Timing constraints of {design.name}, in ns.
set_units -time ns

{guess}create_clock -name clk -period {clock.period:g} [get_ports clk]

# PLACEHOLDER: the outside takes {IO_SHARE:.0%} of the period before inputs and behind outputs. Only setup is
# constrained. What holds an input after the clock's edge is the outside's clock tree, not known here: a guess would
# fill the chip with hold buffers. Driving cells and loads are not known either.
set_input_delay -max {delay} -clock clk [get_ports {{{inputs}}}]
set_output_delay -max {delay} -clock clk [get_ports {{{outputs}}}]

# rst is synchronous: it is timed as any other input, and is no exception.

# The arrays' delays are in their Liberty views, which a timer reads beside the standard cells'
# (PLACEHOLDER: setup {SETUP} ns, hold {HOLD} ns, clock to output {CLOCK_TO_OUTPUT} ns):
{liberties}
# Exception: the gains of the ADCs have two cycles. They cannot be written while CONTROL.ENABLE is set, and
# setting it is an access of its own: three edges lie between a gain and the first conversion that uses it.
{gains}

# LibreLane says in this variable when a clock tree is there. Other flows propagate clocks themselves.
if {{ [info exists ::env(OPENLANE_SDC_IDEAL_CLOCKS)] && !$::env(OPENLANE_SDC_IDEAL_CLOCKS) }} {{
    set_propagated_clock [all_clocks]
}}
"""
