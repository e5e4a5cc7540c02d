"""What to run: decided here, over values, without a clock, a network or a file."""
