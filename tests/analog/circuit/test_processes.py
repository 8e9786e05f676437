"""Wires by name: against figures worked out by hand."""

import pytest

from ohmgate.analog.circuit.processes import PROCESSES, with_process
from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.model.formats import DesignError


def test_22_nm():
    """40 nm wide, 76 high: 4.03e-8 / (40e-9 * 76e-9) = 13.26 ohm/um; cells 480 nm wide and 160 nm high."""
    wires = with_process("cu_22nm", WireConfig(driver=500.0, sense=20.0, driver_ends=2))
    assert (wires.row_segment, wires.column_segment) == pytest.approx((13.257 * 0.48, 13.257 * 0.16), rel=1e-4)
    assert (wires.row_capacitance, wires.column_capacitance) == pytest.approx((0.096e-15, 0.032e-15))
    assert (wires.driver, wires.sense, wires.driver_ends) == (500.0, 20.0, 2)


def test_the_papers_pitch():
    """200 nm wide, 420 high, 400 nm from cell to cell: 0.288 ohm/um and 0.08 fF."""
    wires = with_process("paper")
    assert (wires.row_segment, wires.column_segment) == pytest.approx((0.1152, 0.1152), rel=1e-3)
    assert (wires.row_capacitance, wires.column_capacitance) == pytest.approx((8e-17, 8e-17))
    assert (wires.driver, wires.sense) == (0.0, 0.0)


def test_finer_wires_resist_more():
    ohms = [with_process(name).row_segment for name in list(PROCESSES)[1:]]
    assert ohms == sorted(ohms)
    assert ohms[0] == pytest.approx(0.943, rel=1e-3)


def test_an_unknown_process_is_named():
    with pytest.raises(DesignError) as error:
        with_process("cu_28nm")
    assert str(error.value) == (
        "process of wires must be one of paper, cu_130nm, cu_90nm, cu_65nm, cu_45nm, cu_32nm, cu_22nm, cu_14nm, cu_7nm, "
        "not 'cu_28nm'"
    )
