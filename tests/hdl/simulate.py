"""Amaranth simulations that the component tests share."""

from amaranth.sim import Simulator


def simulate(component, *testbenches, background=()) -> None:
    """Run ``component`` with one clock until all ``testbenches`` have ended."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()
