"""Next-character and next-word prediction with one quantised LSTM layer (Ma et al., section IV.B)."""
