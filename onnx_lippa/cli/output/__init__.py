"""What a command shows: lines of text, progress and tables."""
