"""Settings, versions and digests of a run, and the commands that repeat and check it."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.method import Method
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.runs.configuration import CONFIG, OptionValue, name_method
from onnx_lippa.runs.option_text import parse_options
from onnx_lippa.spec import PerFeature
from onnx_lippa.spec.relations import Relations
from onnx_lippa.state import Budget

_CHOICES: Final = ("fixed", "only_up", "only_down")
"""Options that list features."""


def list_settings(run: ReportedRun) -> tuple[tuple[str, str], ...]:
    """Names and values of what was asked, in the order of the table."""
    figures, identity = run.figures, run.run.identity
    features = identity.features
    shape = "×".join(map(str, run.run.input_shape))
    rows = (
        ("model", str(figures["model"])),
        ("output", identity.output),
        ("data", str(figures["data"])),
        ("inputs", f"{figures['requested']}, of shape {shape}"),
        ("method", identity.options),
        ("norm", f"{run.norm} ({identity.norm})"),
        ("eps", "minimised, without a radius" if run.eps is None else f"{run.eps!r}"),
        ("domain", f"{_range(features.lower)} to {_range(features.upper)}"),
        ("scale", "" if features.scale is None else _range(features.scale)),
        ("grid", _range(features.grid) if features.grid else ""),
        ("fixed features", ", ".join(map(run.feature_name, features.fixed))),
        ("features that only rise", ", ".join(map(run.feature_name, features.only_up))),
        ("features that only fall", ", ".join(map(run.feature_name, features.only_down))),
        ("one-hot groups", "; ".join(", ".join(map(run.feature_name, group))
                                     for group in features.relations.one_hot)),
        ("relations", f"{len(features.relations.equations)} linear equations"
         if features.relations.equations else ""),
        ("targets", identity.targets),
        ("classes", ", ".join(run.run.classes or ())),
        ("images", "resized to that of the model" if run.run.reading.resize else ""),
        ("preprocessing", str(figures.get("preprocess", ""))),
        ("seed", str(figures["seed"])),
        ("workers", str(figures["workers"])),
    )  # fmt: skip
    return tuple((name, value) for name, value in rows if value)


def list_digests(run: ReportedRun) -> tuple[tuple[str, str], ...]:
    """SHA-256 of the model and of the inputs."""
    identity = run.run.identity
    rows = (
        ("model", identity.model_sha256),
        ("inputs and labels, as they are used", identity.inputs_sha256),
    )
    return tuple(row for row in rows if row[1])


def list_versions(run: ReportedRun) -> tuple[tuple[str, str], ...]:
    """Versions of the packages that the results depend on."""
    return tuple((str(name), str(version)) for name, version in run.figures["versions"].items())


def write_repeat_command(run: ReportedRun) -> str:
    """The command that repeats the run; for inputs in memory the Python call.

    Where options do not fit on a line, such as an array, it is the one that reads them from the
    configuration in the run's folder. Empty where the run is of a version with other options.
    """
    try:
        method, budget, _ = parse_options(run.run.identity.options)
    except InputError:
        return ""
    verb, flags = _list_flags(method, budget)
    identity, figures = run.run.identity, run.figures
    features = identity.features
    config = Path(run.folder) / CONFIG
    if run.folder and config.exists() and not _fits_a_line(run):
        return shlex.join(["onnx-lippa", verb, "--config", str(config), "--out", "NEW"])
    values = {"eps": None if run.eps is None else repr(run.eps), "norm": identity.norm,
              "lower": features.lower, "upper": features.upper, "scale": features.scale,
              "grid": features.grid, "fixed": features.fixed or None,
              "only_up": features.only_up or None, "only_down": features.only_down or None,
              "targets": identity.targets}  # fmt: skip
    given: dict[str, object] = {
        name: value
        for name, value in values.items()
        if value is not None and value != _DEFAULTS.get(name)
    }
    if str(figures["data"]).endswith("inputs in memory"):
        return _write_call(run, method, given, flags)
    words = ["onnx-lippa", verb, str(figures["model"])]
    drawn = "drawn from the domain" in str(figures["data"])
    words += ["--first", str(figures["requested"])] if drawn else [str(figures["data"])]
    if not drawn:
        words += [*_choose_inputs(identity.indices), *_read_again(run)]
    for name, value in given.items():
        text = _array(run, name, value) if _is_array(name, value) else _list(value)
        option = f"--{name.replace('_', '-')}"
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    for name, flag in flags.items():
        for one in flag if isinstance(flag, list) else [flag]:
            words += [f"--{name.replace('_', '-')}", str(one)]
    if run.minimizes and run.eps is not None and verb == "attack":
        words.append("--minimize")
    return shlex.join(words)


def _fits_a_line(run: ReportedRun) -> bool:
    """Whether options say all of a run: no array without names, no relation."""
    features = run.run.identity.features
    arrays = (features.lower, features.upper, features.grid, features.scale)
    has_array = any(isinstance(value, tuple) for value in arrays)
    return not (has_array and not run.run.features) and features.relations == Relations()


def write_rerun_command(run: ReportedRun) -> str:
    """The command that repeats the run and compares.

    Empty for results in memory, and where the run is of a version with other options.
    """
    is_possible = run.folder and write_repeat_command(run)
    return shlex.join(["onnx-lippa", "rerun", run.folder]) if is_possible else ""


def write_replay_command(run: ReportedRun) -> str:
    """The command that checks every claim again; empty for results in memory."""
    return shlex.join(["onnx-lippa", "replay", run.folder]) if run.folder else ""


_DEFAULTS: Final[dict[str, object]] = {
    "norm": "linf",
    "lower": 0.0,
    "upper": 1.0,
    "grid": 0.0,
    "targets": "all",
}


def _list_flags(method: Method, budget: Budget) -> tuple[str, dict[str, OptionValue]]:
    """The command of a run, and the options of its method and budget that have a value."""
    verb, options, _ = name_method(method)
    flags = {name.replace("-", "_"): value for name, value in options.items()}
    flags["time_limit"] = budget.time_limit if budget.time_limit < math.inf else None
    flags["seed"] = None if verb == "certify" else budget.seed
    return verb, {name: value for name, value in flags.items() if value is not None}


def _write_call(
    run: ReportedRun, method: Method, given: dict[str, object], flags: dict[str, OptionValue]
) -> str:
    verb, _, _ = name_method(method)
    name = "minimal_distortion" if verb == "distance" else verb
    words = [repr(str(run.figures["model"])), "x", "y"]
    for key, value in given.items():
        if _is_array(key, value):
            words.append(f"{key}={key}")
        else:
            is_text = key in ("norm", "targets")
            words.append(f"{key}={value!r}" if is_text else f"{key}={_list(value, brackets=True)}")
    if "method_option" in flags:
        words.append(f"method=onnx_lippa.{method!r}")
        flags = {name: flags[name] for name in ("time_limit", "seed") if name in flags}
    words += [f"{name}={value!r}" for name, value in flags.items()]
    if run.minimizes and run.eps is not None and verb == "attack":
        words.append("minimize=True")
    return f"onnx_lippa.{name}({', '.join(words)})"


def _choose_inputs(indices: tuple[int, ...]) -> Iterator[str]:
    """The options that choose the inputs of a file."""
    if indices == tuple(range(len(indices))):
        yield from ("--first", str(len(indices)))
    else:
        yield from ("--indices", ",".join(map(str, indices)))


def _read_again(run: ReportedRun) -> Iterator[str]:
    """The options that say how the data is read."""
    reading = run.run.reading
    for name in ("label", "group_column", "features", "categorical", "classes"):
        value = getattr(reading, name)
        text = value if isinstance(value, str) else ",".join(value or ())
        if text and (isinstance(value, str) or text.count(",") == len(value) - 1):
            yield from (f"--{'groups' if name == 'group_column' else name}", text)
    if reading.resize:
        yield "--resize"
    preprocess = run.run.identity.preprocess
    if preprocess is not None:
        parts = preprocess.as_json().items()
        text = " ".join(f"{name}={_list(_frozen(value))}" for name, value in parts)
        yield from ("--preprocess", text)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _is_array(name: str, value: object) -> bool:
    return name not in _CHOICES and isinstance(value, tuple)


def _array(run: ReportedRun, name: str, value: object) -> str:
    """Numbers by the names of features, the commonest for all others; a file without names."""
    names = run.run.features
    if not names or not isinstance(value, tuple):
        return f"{name}.npy"
    (common, _), *_ = Counter(value).most_common(1)
    listed = [f"{one}={v!r}" for one, v in zip(names, value, strict=True) if v != common]
    return ",".join([*listed, f"*={common!r}"])


def _list(value: object, *, brackets: bool = False) -> str:
    if isinstance(value, tuple):
        listed = ",".join(map(str, value))
        return f"[{listed}]" if brackets else listed
    return str(value)


def _range(value: PerFeature) -> str:
    """A number, or the range of one number per feature."""
    if isinstance(value, tuple):
        return f"[{min(value):g} … {max(value):g}]"
    return f"{value:g}"
