"""The ``ohmgate`` command: one file for each sub-command, thin over the other packages."""
