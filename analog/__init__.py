"""The array model: memory cells, circuits, converters, and studies of them."""

if __name__ != "ohmgate.analog":
    raise ImportError(f"the name of this package is ohmgate.analog, not {__name__}")
