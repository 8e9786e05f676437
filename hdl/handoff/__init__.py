"""A design's folder for chip and FPGA flows: views of its macros from one description, and the flows' settings."""
