"""Reports of finished runs, for people and for other programs: one file a format."""
