"""Training that knows the hardware: quantised layers, their kernel, data, experiments and export."""

if __name__ != "ohmgate.train":
    raise ImportError(f"the name of this package is ohmgate.train, not {__name__}")
