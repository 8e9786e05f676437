"""Float LSTM models of other frameworks as PyTorch modules, to be converted, trained and exported like any other."""
