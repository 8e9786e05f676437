"""What only a board has: the arrays' digital twin and the serial link."""
