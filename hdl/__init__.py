"""The digital periphery in Amaranth: one component a file, composed in ``accelerator.py``."""
