"""Preset designs as TOML files; load one by name with ``ohmgate.model.design.Design.load``."""

if __name__ != "ohmgate.designs":
    raise ImportError(f"the name of this package is ohmgate.designs, not {__name__}")
