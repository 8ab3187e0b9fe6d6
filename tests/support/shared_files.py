"""Files beside a checkout, in ``../shared``. Whoever has them runs every test that needs them.

``tests/conftest.py`` loads this as a plugin: where the folder is there, a test that is skipped for
want of a file in it fails. So no test is lost to a folder or a test that moves.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.support.paths import ROOT

SHARED = ROOT.parent / "shared"
_NEEDS = "needs ../shared/"


def needs_shared(path: str) -> pytest.MarkDecorator:
    """Skips a test where a file or folder of ``../shared`` is not there."""
    return pytest.mark.skipif(not (SHARED / path).exists(), reason=_NEEDS + path)


def each_shared_file(pattern: str) -> pytest.MarkDecorator:
    """Runs a test on each file, as ``path``; it is skipped where none fits the pattern."""
    paths: list[object] = [*sorted(SHARED.glob(pattern))]
    if not paths:
        paths = [pytest.param(None, marks=pytest.mark.skip(reason=_NEEDS + pattern))]
    return pytest.mark.parametrize("path", paths, ids=lambda path: path and path.name)


def is_shared_here(config: pytest.Config) -> bool:
    """Whether the folder lies beside the root of the checkout, wherever this module lies."""
    return (config.rootpath.parent / "shared").is_dir()


def pytest_report_header(config: pytest.Config) -> str:
    must = "must run" if is_shared_here(config) else "are skipped: there is none"
    return f"tests that need ../shared {must}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    said = str(report.longrepr)
    if report.skipped and _NEEDS in said and is_shared_here(item.config):
        report.outcome, report.longrepr = "failed", f"skipped, though ../shared is there: {said}"
    return report
