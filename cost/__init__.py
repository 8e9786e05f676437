"""What an accelerator costs: area, energy, time. Closed formulas, each figure with its origin.

Three tiers answer the same question: the ``paper``'s own constants, the ``literature``'s with their range, and
``measured`` figures of the digital part. ``docs/cost.md`` has every formula and source.
"""
