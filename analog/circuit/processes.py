"""Wires of known processes by name: ohm and farad of a segment from the metal's width, height and resistivity."""

from dataclasses import replace

from ...model.formats import check_choice
from .wires import WireConfig

FARAD_PER_METRE = 0.2e-9  #: 0.2 fF/um, which NeuroSim takes for every wire (its Bus.cpp, XYBus.cpp)

#: Width (m), height over width and resistivity (ohm m, barrier and scattering included) of a copper wire, length (m)
#: of a segment of a row and of a column. cu_*: what NeuroSim's DNN V1.3 takes for each node (Peng et al., IEDM 2019,
#: 32.5; its Param.cpp), under cells of one transistor, 12 wide and 4 high in widths of the wire. "paper": cells at
#: the pitch of 400 nm of Ma et al., section VI.C, wires half as wide; height and resistivity of 200 nm by NeuroSim's
#: MLP V3.0, Array.h.
PROCESSES = {"paper": (200e-9, 2.1, 2.42e-8, 400e-9, 400e-9)} | {
    f"cu_{node}nm": (width, height, resistivity, 12 * width, 4 * width)
    for node, width, height, resistivity in (
        (130, 175e-9, 1.6, 2.20e-8),
        (90, 110e-9, 1.6, 2.52e-8),
        (65, 105e-9, 1.7, 2.68e-8),
        (45, 80e-9, 1.7, 3.31e-8),
        (32, 56e-9, 1.8, 3.70e-8),
        (22, 40e-9, 1.9, 4.03e-8),
        (14, 25e-9, 2.0, 5.08e-8),
        (7, 18e-9, 2.0, 6.35e-8),
    )
}


def with_process(name: str, wires: WireConfig | None = None) -> WireConfig:
    """``wires`` with the segments of the process ``name``; None: without resistance of drivers and sense amplifiers.

    Capacitances are of the wire alone: cells add theirs. Raises :class:`DesignError` for a name that is not in
    ``PROCESSES``.
    """
    check_choice("process of wires", name, tuple(PROCESSES))
    width, height, resistivity, across, down = PROCESSES[name]
    ohm_per_metre = resistivity / (width**2 * height)
    return replace(
        wires or WireConfig(),
        row_segment=ohm_per_metre * across,
        column_segment=ohm_per_metre * down,
        row_capacitance=FARAD_PER_METRE * across,
        column_capacitance=FARAD_PER_METRE * down,
    )
