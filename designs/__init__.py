"""Preset designs as TOML files; load one by name with ``ohmgate.model.design.Design.load``."""
