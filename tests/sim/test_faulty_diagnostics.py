"""Chips whose diagnostics have one deliberate fault each: the bench must report every fault by its name."""

import pytest

from ohmgate.hdl.diagnostics import Diagnostics
from ohmgate.hdl.flow.emit import emit
from ohmgate.hdl.register_bus import RegisterBus
from ohmgate.model.design import Design
from ohmgate.sim import cosim
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.simulators import missing_tools
from tests.sim.test_diagnosis import NOISY, STACK, job
from tests.sim.test_faulty_chips import added, named


def grounded_bias(diagnostics, m):
    m.d.comb += diagnostics.array_0.bias_drive.eq(0)


def undriven_hidden(diagnostics, m):
    m.d.comb += diagnostics.array_0.hidden_drive.eq(diagnostics.core_0.hidden_drive & ~diagnostics.active)


def early_select(diagnostics, m):
    m.d.comb += diagnostics.array_0.select.eq(diagnostics.core_0.select)


def one_trim_for_all(registers, m):
    m.d.comb += registers.setup_0.adjust_what.eq(0)


def endless_strobe(registers, m):
    m.d.comb += registers.setup_0.adjust_strobe.eq(1)


FAULTS = {
    "grounded": (Diagnostics, grounded_bias, "layer 0: bias rows are not driven in conversion 1 of a time step"),
    "undriven": (Diagnostics, undriven_hidden, "layer 0: hidden rows are not driven in a diagnostic conversion"),
    "select": (Diagnostics, early_select, "register bus: a read of DIAG_RESULT is answered by "),
    "trims": (RegisterBus, one_trim_for_all, "register bus: a read of DIAG_RESULT is answered by "),
    "strobe": (RegisterBus, endless_strobe, "layer 0: a trim or a spare column was set during a conversion"),
}


def test_faults_of_diagnostics_are_named(tmp_path):
    if problem := missing_tools("icarus"):
        pytest.skip(problem)

    def emit_faulty(chip, name):
        component, statements, _ = FAULTS[name.split("_", 1)[1]]
        with added(component, statements):
            return emit(chip, name)

    jobs = [job(Design(name, STACK.layers[:1]), 1, array=NOISY) for name in FAULTS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosim, "emit", emit_faulty)
        built = build([one.network.design for one in jobs], tmp_path, "icarus")
    for name, result in zip(FAULTS, simulate(built, jobs)):
        assert not result.comparison.agrees, name
        assert any(said.startswith(FAULTS[name][2]) for said in named(result.comparison)), (name, result.comparison)
