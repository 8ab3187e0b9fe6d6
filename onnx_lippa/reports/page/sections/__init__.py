"""The sections of the page that are text and tables, one file each."""
