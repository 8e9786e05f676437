"""Tests, by package; helpers that several folders share are modules here (``from tests.designs import ...``)."""
