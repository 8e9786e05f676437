"""Random designs, networks and inputs, as all tests draw them; with hypothesis, draw the seed: ``@given(seeds)``."""

from hypothesis import strategies as st

from ohmgate.sim.random_designs import perhaps_simple, perhaps_tiled, random_design, random_inputs, random_network

__all__ = ["perhaps_simple", "perhaps_tiled", "random_design", "random_inputs", "random_network", "seeds"]

seeds = st.integers(0, 2**32 - 1)  #: for numpy.random.default_rng
