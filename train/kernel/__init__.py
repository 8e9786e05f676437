"""The same LSTM in C++, built on first use: as fast as ``nn.LSTM``, to the bit what the layers compute."""
