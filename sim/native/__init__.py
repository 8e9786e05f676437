"""Simulation at native speed: the generated Verilog as Verilator's C++, with a test bench and arrays in C++."""
