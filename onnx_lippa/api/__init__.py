"""The Python calls: what the command line does, on arrays and with results to work with."""
