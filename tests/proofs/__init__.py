"""Properties of the RTL that hold for every input in every cycle: ``make prove`` (docs/proofs.md)."""
