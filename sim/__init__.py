"""Co-simulation: the only place where the RTL and the array model meet."""
