"""Amaranth simulations that the component tests share."""

from amaranth.sim import Simulator

PERIOD = 1e-6
CYCLES = 20_000  #: more than any component test needs


def simulate(component, *testbenches, background=(), cycles=CYCLES) -> None:
    """Run ``component`` with one clock until all ``testbenches`` have ended.

    Raises ``AssertionError`` if they have not ended after ``cycles`` cycles: something is waited for in vain.
    """

    async def bound(ctx):
        await ctx.delay(cycles * PERIOD)
        raise AssertionError(f"the simulation has not ended after {cycles} cycles")

    simulator = Simulator(component)
    simulator.add_clock(PERIOD)
    for testbench in (bound, *background):
        simulator.add_testbench(testbench, background=True)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.run()
