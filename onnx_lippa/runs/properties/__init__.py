"""Properties and lists of them: how they are decided, and what is kept of the answers."""
