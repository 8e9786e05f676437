"""Boards: what they are, how their gateware is built, and their simulation behind a terminal."""
