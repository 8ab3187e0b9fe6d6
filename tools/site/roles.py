"""Roles in docstrings, ``:func:`load```, as plain code on the site."""

from __future__ import annotations

import re
from typing import Any, Final

from griffe import Extension, Object

_ROLE: Final = re.compile(r":(?:func|class|meth|data|attr|mod|exc):`~?([^`]+)`")


class Roles(Extension):
    """Rewrites the docstring of every object."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each object that was read."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"``\1``", obj.docstring.value)
            obj.docstring.value = text.replace("(n, *", r"(n, \*")
