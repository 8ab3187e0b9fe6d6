"""Hooks of MkDocs: pages that lie in the root of the clone, and links that leave the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[2]
_FROM_ROOT: Final = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
_LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(((?!https?:|#|mailto:)[^)]+)\)")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds the pages that lie in the root."""
    for name in _FROM_ROOT:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name.lower(), content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Turns links to files of the clone that are not part of the site into their text."""

    def kept(found: re.Match[str]) -> str:
        text, target = found.groups()
        path, _, anchor = target.partition("#")
        folder = Path(page.file.src_uri).parent
        if path.startswith("docs/"):
            path = path.removeprefix("docs/")
        here = (Path("/") / folder / path).resolve().relative_to("/").as_posix()
        if files.get_file_from_path(here) is not None:
            return f"[{text}]({path}{'#' if anchor else ''}{anchor})"
        outside = (ROOT / "docs" / folder / path).exists() or (ROOT / path).exists()
        return text if outside else found.group()

    return _LINK.sub(kept, markdown)
