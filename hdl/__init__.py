"""The digital periphery in Amaranth: one component a file, composed in ``accelerator.py``."""

if __name__ != "ohmgate.hdl":
    raise ImportError(f"the name of this package is ohmgate.hdl, not {__name__}")
