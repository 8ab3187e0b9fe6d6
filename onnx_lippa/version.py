"""The version of the package, on the lowest floor, since results name it."""

__version__ = "0.1.0"
