"""Vivado's side of the AXI wrapper: attributes of interfaces, a script that packages it, constraints, access in C."""

from ...model.design import Design
from ..macro_views import unique_layers, view_file
from .chip import Clock


def interface_parameter(info: str, parameter: str) -> str:
    """Attributes of the port in the next line: what interface it is, and that interface's parameters."""
    return f'    (* X_INTERFACE_INFO = "{info}", X_INTERFACE_PARAMETER = "{parameter}" *)'


def interface(kind: str, name: str, signals: list[tuple[str, int, str]]) -> list[str]:
    """Ports of an interface in Verilog, with what Vivado recognises it by: direction, width and signal of each."""
    lines = []
    for direction, width, signal in signals:
        size = f"[{width - 1}:0] " if width > 1 else ""
        lines.append(f'    (* X_INTERFACE_INFO = "{kind} {name} {signal}" *)')
        lines.append(f"    {direction} wire {size}{name}_{signal.lower()},")
    return lines


def constraints(clock: Clock) -> str:
    """XDC for the wrapper alone; in a block design the clock comes with its wire."""
    guess = "# PLACEHOLDER: the period is a guess, as none was given.\n" if clock.placeholder else ""
    return f"{guess}create_clock -name aclk -period {clock.period:g} [get_ports aclk]\n"


def package_ip(design: Design, wrapper: str) -> str:
    """Tcl that makes an IP core of the wrapper; no Vivado has run it here."""
    views = " ".join(f"$here/../{view_file('behavioural', layer)}" for layer in unique_layers(design))
    return f"""# vivado -mode batch -source package_ip.tcl
# PLACEHOLDER: the arrays are their behavioural views, which no synthesis should keep. Put your own modules of the
# same names into $arrays.
set here [file dirname [file normalize [info script]]]
set arrays [list {views}]

create_project -force {wrapper} $here/project
add_files -norecurse [list $here/{wrapper}.v $here/../{design.name}.v]
add_files -norecurse $arrays
add_files -fileset constrs_1 -norecurse $here/{wrapper}_ooc.xdc
set_property USED_IN {{synthesis implementation out_of_context}} [get_files {wrapper}_ooc.xdc]
set_property top {wrapper} [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $here/ip -vendor user.org -library user -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {wrapper} $core
set_property version 1.0 $core
set_property display_name "{design.name}, an LSTM accelerator" $core
set_property description "Registers on AXI4-Lite, time steps on AXI4-Stream; fingerprint {design.fingerprint}" $core
foreach interface {{s_axi s_axis m_axis}} {{
    ipx::associate_bus_interfaces -busif $interface -clock aclk $core
}}
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
"""


BUS = """/* The register bus of ohmgate.h over AXI4-Lite, for a processor that sees the registers in its memory:
 *
 *     ohmgate_bus bus = ohmgate_axi(0x43C00000u);
 *     ohmgate_load(&bus, image, length, 0);
 *
 * A register that refuses an access answers SLVERR, which a processor may take as a fault. ohmgate_load compares
 * image and device before it writes, so an image of another design is told without one, but for OHMGATE_FORCE.
 */
#ifndef OHMGATE_AXI_H
#define OHMGATE_AXI_H

#include "ohmgate.h"

static inline int ohmgate_axi_read32(void *base, uint32_t address, uint32_t *value)
{
    *value = *(volatile uint32_t *)((uintptr_t)base + address);
    return 0;
}

static inline int ohmgate_axi_write32(void *base, uint32_t address, uint32_t value)
{
    *(volatile uint32_t *)((uintptr_t)base + address) = value;
    return 0;
}

/* The bus of the registers at base, the address that the block design gives to s_axi. */
static inline ohmgate_bus ohmgate_axi(uintptr_t base)
{
    ohmgate_bus bus = {(void *)base, ohmgate_axi_read32, ohmgate_axi_write32};
    return bus;
}

#endif
"""
