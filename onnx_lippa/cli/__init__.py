"""The command line: arguments, terminal output and exit codes; no mathematics."""
