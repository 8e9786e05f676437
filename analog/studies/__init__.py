"""Studies of arrays: Monte Carlo over chips, noise budget, sources of error, cures."""
