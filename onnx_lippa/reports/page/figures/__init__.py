"""The figures of the page, one file each: a function from a run, or several, to a picture."""
