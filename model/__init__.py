"""What the hardware computes: design description, number formats, network data, integer reference.

Everything here is numpy and plain integers; every other package imports it and it imports none of them.
``docs/numerics.md`` states the contract these modules implement.
"""

if __name__ != "ohmgate.model":
    raise ImportError(f"the name of this package is ohmgate.model, not {__name__}")
