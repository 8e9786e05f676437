"""From the components to files and figures: Verilog, views, lint, synthesis, place and route."""
