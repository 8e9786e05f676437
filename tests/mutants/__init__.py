"""Mutation testing: faults put into a copy of the tree, one at a time, to see which test notices (docs/testing.md)."""
