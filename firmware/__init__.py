"""The programming image and its way into a device: pack, read, compare, load over the register bus, C driver."""

if __name__ != "ohmgate.firmware":
    raise ImportError(f"the name of this package is ohmgate.firmware, not {__name__}")
