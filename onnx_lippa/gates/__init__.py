"""Gates: conditions that a finished run must meet, and the comparison of two runs."""
