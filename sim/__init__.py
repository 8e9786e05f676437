"""Co-simulation: the only place where the RTL and the array model meet."""

if __name__ != "ohmgate.sim":
    raise ImportError(f"the name of this package is ohmgate.sim, not {__name__}")
