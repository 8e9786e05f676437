"""LSTM and linear layers as arrays of cells: quantisers, ranges, noise, and the modules for users' own models."""
