"""The page that a committee reads: one self-contained HTML file of one or several runs."""
