"""The side-car JSON: what a program needs to know about a generated chip, without reading its Verilog."""

import json
from importlib.metadata import version

from ...model.design import CONTRACT_VERSION, Design
from ...model.layers import Layer
from ...model.registers import BY_NAME, VERSION_VALUE, describe
from ..accelerator import layer_latency
from ..array_macro import macro_ports
from ..chip import chip_ports
from ..macro_views import unique_layers
from ..ports import Port
from ..sequencer import time_step_cycles


def side_car(design: Design, trace: bool) -> str:
    """JSON text with ports and the bit positions of their fields, layers, latency, macros, registers, versions."""
    content = {
        "name": design.name,
        "fingerprint": design.fingerprint,
        "versions": versions(),
        "clock": {"port": "clk", "edge": "rising"},
        "reset": {"port": "rst", "active": "high", "kind": "synchronous"},
        "trace": trace,
        **({"contexts": design.contexts} if design.contexts > 1 else {}),
        "ports": [_port(port) for port in chip_ports(design, trace)],
        "layers": [
            {"parameters": entry, **_timing(layer, design.contexts)}
            for layer, entry in zip(design.layers, design.to_dict()["layer"])
        ],
        "macros": [
            {"name": layer.macro_name, "ports": [_port(port) for port in macro_ports(layer)]}
            for layer in unique_layers(design)
        ],
        "register_map": describe(design),
    }
    return json.dumps(content, indent=1) + "\n"


def versions() -> dict[str, str | int]:
    """Versions of all that decides a generated chip."""
    register_map = BY_NAME["VERSION"].unpack(VERSION_VALUE)
    return {
        "ohmgate": version("ohmgate"),
        "contract": CONTRACT_VERSION,
        "register_map": ".".join(str(register_map[name]) for name in ("MAJOR", "MINOR", "PATCH")),
        "amaranth": version("amaranth"),
    }


def _port(port: Port) -> dict[str, object]:
    fields = {"fields": list(port.fields)} if port.fields else {}
    return {"name": port.name, "direction": port.direction, "width": port.width, **fields}


def _timing(layer: Layer, contexts: int) -> dict[str, str | int]:
    """``conversions`` is M; the last two stand where the conversion time is fixed by the design."""
    tail = layer_latency(layer, contexts) - 1
    cycles = "conversions * conversion_cycles + tail_cycles"
    if contexts > 1:
        cycles = f"max(conversions * conversion_cycles, ({cycles}) / contexts)"
    timing = {
        "macro": layer.macro_name,
        "rows": layer.rows,
        "columns": layer.columns,
        "conversions": layer.conversions,
        "tail_cycles": tail,
        "cycles_per_time_step": cycles,
    }
    if layer.conversion_cycles:
        timing |= {
            "conversion_cycles": layer.conversion_cycles,
            "time_step_cycles": time_step_cycles(layer.conversions, layer.conversion_cycles, tail, contexts),
        }
    return timing
