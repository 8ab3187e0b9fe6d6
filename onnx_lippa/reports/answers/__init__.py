"""The formats of reports for answers to properties; a module for each format of the table."""
