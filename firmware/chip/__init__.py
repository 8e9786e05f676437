"""A chip over its own bus: measured, calibrated, repaired and kept in order (docs/diagnostics.md)."""
