"""The programming image and its way into a device: pack, read, compare, load over the register bus, C driver."""
