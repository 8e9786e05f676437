"""Wires of an array: solvers, IR drop, tiles, compensation, SPICE netlist."""
