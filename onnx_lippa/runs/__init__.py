"""Runs: many inputs, worker processes, files that outlive an interrupt, and their replay."""
