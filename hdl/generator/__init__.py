"""FuseSoC's generator of chips: a folder for ``--cores-root``."""
