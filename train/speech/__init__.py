"""Speech recognition: utterances with transcripts, losses without an alignment, decoding, errors in words."""
