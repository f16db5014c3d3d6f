"""What things are: plain values, no I/O, no clock."""
