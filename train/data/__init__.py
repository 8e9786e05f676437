"""Data sets, and how they are fetched."""
