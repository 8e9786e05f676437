"""Memory cells: devices, mapping of weights, programming, faults and repair, noise."""
