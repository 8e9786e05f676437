"""What a simulator says of itself."""

import re

import pytest

from ohmgate.sim.simulators import missing_tools, version

FIRST_LINES = {"verilator": r"(Verilator .*)?rev v\S+", "icarus": r"Icarus Verilog version 1\d\.\d+ .*"}


@pytest.mark.parametrize("simulator", FIRST_LINES)
def test_its_version_is_the_first_line_of_its_own(simulator):
    problem = missing_tools(simulator)
    if problem:
        pytest.skip(problem)
    assert re.fullmatch(FIRST_LINES[simulator], version(simulator))
