"""``ohmgate board``: an image on a board, from the bitstream to the label."""
