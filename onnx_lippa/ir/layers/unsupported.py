"""What a converter raises."""

from __future__ import annotations


class Unsupported(Exception):  # noqa: N818  # reads as the statement it makes
    """Raised by a converter; its message is the reason shown to the user."""
