"""The page, made of its sections and figures by a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.page.figures.confusion import draw_confusion
from onnx_lippa.reports.page.figures.curve import draw_curve
from onnx_lippa.reports.page.figures.distances import draw_distances
from onnx_lippa.reports.page.figures.interval import draw_interval
from onnx_lippa.reports.page.figures.methods import draw_methods
from onnx_lippa.reports.page.figures.shares import draw_shares
from onnx_lippa.reports.page.figures.times import draw_times
from onnx_lippa.reports.page.pictures import Picture
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.page.sections.caveats import Caveat, Level, find_caveats
from onnx_lippa.reports.page.sections.gallery import Example, choose_examples
from onnx_lippa.reports.page.sections.hardest import Ranking, rank_inputs
from onnx_lippa.reports.page.sections.inputs import InputTable, describe_cause, list_inputs
from onnx_lippa.reports.page.sections.moved import MovedFeature, find_moved_features
from onnx_lippa.reports.page.sections.settings import (
    list_digests,
    list_settings,
    list_versions,
    write_repeat_command,
    write_replay_command,
    write_rerun_command,
)
from onnx_lippa.reports.page.sections.shares import Share, split_by_class, split_by_group
from onnx_lippa.reports.page.sections.side_by_side import ROWS, compare_runs
from onnx_lippa.reports.page.sections.unknown import OpenInputs, explain_unknown
from onnx_lippa.reports.page.sections.verdict import Sentences, state_verdict
from onnx_lippa.reports.wording import write_number
from onnx_lippa.text import printable
from onnx_lippa.version import __version__

_PACKAGE: Final = "onnx_lippa.reports.page"


@final
@dataclass(frozen=True)
class RunSections:
    """The parts of the page that are about one run."""

    run: ReportedRun
    sentences: Sentences
    caveats: tuple[Caveat, ...]
    pictures: Mapping[str, Picture]
    classes: tuple[Share, ...]
    groups: tuple[Share, ...]
    examples: tuple[Example, ...]
    moved: tuple[MovedFeature, ...]
    rankings: tuple[Ranking, ...]
    unknown: tuple[OpenInputs, ...]
    inputs: InputTable
    settings: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    repeat: str
    rerun: str
    replay: str
    figures: tuple[tuple[str, str], ...]

    @property
    def findings(self) -> tuple[Caveat, ...]:
        """The caveats that found something."""
        return tuple(caveat for caveat in self.caveats if caveat.level is not Level.FINE)


@final
@dataclass(frozen=True)
class Page:
    """A page and the single figures on it.

    Attributes:
        html: the page.
        pictures: its figures.
    """

    html: str
    pictures: tuple[Picture, ...]


def build_page(runs: Sequence[ReportedRun], check: Check) -> Page:
    """The page of some runs.

    Args:
        runs: the runs.
        check: the outcomes of gates, which stand above the verdicts.
    """
    sections = [_make_sections(run) for run in runs]
    bounded = [run for run in runs if run.eps is not None]
    shared = {
        "interval": draw_interval(bounded) if bounded else None,
        "curve": draw_curve(runs),
    }
    environment, style, script = open_templates()
    html = environment.get_template("page.html").render(
        title=_title(runs),
        sections=sections,
        check=check,
        pictures=shared,
        rows=[(name, [cell(run) for run in runs]) for name, cell in ROWS],
        changes=compare_runs(runs),
        style=style,
        script=script,
    )
    drawn = [picture for picture in shared.values() if picture is not None]
    drawn += [picture for section in sections for picture in section.pictures.values()]
    return Page(html, tuple(drawn))


def open_templates() -> tuple[Environment, Markup, Markup]:
    """The templates of pages, their style and their script."""
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "safe_text": printable,
        "number": write_number,
        "percent": lambda value: f"{value:.2%}",
        "cause": describe_cause,
    }
    environment.globals["version"] = __version__
    style, script = (Markup(_read(environment, name)) for name in ("style.css", "script.js"))
    return environment, style, script


def _make_sections(run: ReportedRun) -> RunSections:
    classes, groups = split_by_class(run), split_by_group(run)
    pictures = {
        "methods": draw_methods(run),
        "times": draw_times(run),
        "distances": draw_distances(run),
        "confusion": draw_confusion(run),
        "classes": draw_shares(classes, f"classes-{run.key}", "Verdicts of each class"),
        "groups": draw_shares(groups, f"groups-{run.key}", "Verdicts of each group"),
    }
    return RunSections(
        run=run,
        sentences=state_verdict(run),
        caveats=find_caveats(run),
        pictures={name: picture for name, picture in pictures.items() if picture is not None},
        classes=classes,
        groups=groups,
        examples=choose_examples(run),
        moved=() if run.is_image else find_moved_features(run),
        rankings=rank_inputs(run),
        unknown=explain_unknown(run),
        inputs=list_inputs(run),
        settings=list_settings(run),
        digests=list_digests(run),
        versions=list_versions(run),
        repeat=write_repeat_command(run),
        rerun=write_rerun_command(run),
        replay=write_replay_command(run),
        figures=tuple(list_figures(run.figures)),
    )


def list_figures(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The numbers of a summary, each under its path in the file."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            if name != "versions":
                yield from list_figures(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", repr(value)


def _title(runs: Sequence[ReportedRun]) -> str:
    models = list(dict.fromkeys(run.model for run in runs))
    named = " and ".join(models[:2]) + (f" and {len(models) - 2} more" if len(models) > 2 else "")
    return f"Robustness of {named}"


def _read(environment: Environment, name: str) -> str:
    if environment.loader is None:
        return ""
    return environment.loader.get_source(environment, name)[0]
