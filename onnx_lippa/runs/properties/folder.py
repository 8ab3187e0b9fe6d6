"""The folder of a list of instances.

``list.json`` holds the instances. ``answers.jsonl`` is a journal with one line for each answer;
``results.csv`` and ``counterexamples`` are written from it.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, final

from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.runs.configuration import CONFIG, Configuration, is_written_by_us
from onnx_lippa.runs.files import (
    CHECK,
    FolderLock,
    LineFile,
    checksum,
    complete_lines,
    explain_read_errors,
    explain_write_errors,
    replace_file,
    seal_line,
    unseal_line,
)
from onnx_lippa.runs.identity import CURVE, LIST, RUN, FileLocation
from onnx_lippa.runs.properties.digests import FileDigests
from onnx_lippa.runs.properties.instances import Instance, InstanceResult, write_results

ANSWERS: Final = "answers.jsonl"
RESULTS: Final = "results.csv"
COUNTEREXAMPLES: Final = "counterexamples"
_LISTED_EVERY: Final = 5.0
"""Seconds between writes of ``results.csv``."""
_LONGEST_NAME: Final = 100
_AGAIN: Final = "answer the list again with another --out"


@dataclass(frozen=True)
class ListFile:
    """The content of ``list.json``.

    Attributes:
        instances: the instances.
        options: methods and seed, as text.
        version: version of the program.
        base: the folder that the paths of the list are relative to.
        output: output of the models that is used; None for their own.
        preprocess: what becomes of inputs before the models take them; None for nothing.
        case_limit: seconds for the proof of one case.
        versions: versions of the packages that the answers depend on; empty in old folders.
    """

    instances: tuple[Instance, ...]
    options: str
    version: str
    base: FileLocation
    output: str | None = None
    preprocess: Preprocess | None = None
    case_limit: float = math.inf
    versions: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The bytes of the file."""
        values = self._claims() | {
            CHECK: checksum(self._claims()),
            "base": self.base.path,
            "base_beside": self.base.beside,
        }
        return json.dumps(values, indent=1).encode()

    def _claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = {
            "instances": [list(one.as_json().values()) for one in self.instances],
            "options": self.options,
            "version": self.version,
        }
        if self.output is not None:
            claims["output"] = self.output
        if self.preprocess is not None:
            claims["preprocess"] = self.preprocess.as_json()
        if self.case_limit < math.inf:
            claims["case_limit"] = float(self.case_limit)  # 5 and 5.0 are one
        if self.versions:
            claims["versions"] = dict(self.versions)
        return claims

    @classmethod
    def parse(cls, content: bytes) -> ListFile:
        """Parses the content of a file.

        Raises:
            ValueError, TypeError, KeyError, InputError: it is no list, or was changed.
        """
        values = json.loads(content)
        instances = tuple(
            Instance(str(onnx), str(spec), _timeout(timeout))
            for onnx, spec, timeout in values["instances"]
        )
        base = FileLocation(str(values["base"]), str(values["base_beside"]))
        stated = values.get("preprocess")
        read = cls(
            instances, str(values["options"]), str(values["version"]), base,
            output=values.get("output"),
            preprocess=None if stated is None else Preprocess.parse(stated),
            case_limit=_timeout(values.get("case_limit")),
            versions={str(k): str(v) for k, v in values.get("versions", {}).items()},
        )  # fmt: skip
        if values[CHECK] != checksum(read._claims()):
            raise ValueError("its checksum is another")
        return read


@dataclass(frozen=True)
class Answered:
    """One line of ``answers.jsonl``.

    Attributes:
        result: the result of an instance.
        options: the options of its list.
        version: the version of the program.
    """

    result: InstanceResult
    options: str
    version: str

    def line(self) -> bytes:
        """The line."""
        values = self.result.as_json() | {"options": self.options, "version": self.version}
        return seal_line({"instance": None} | values)

    @classmethod
    def parse(cls, line: bytes) -> Answered:
        """Parses a line.

        Raises:
            ValueError, TypeError, KeyError: it holds no answer.
        """
        values = unseal_line(line)
        timeout = _timeout(values["timeout"])
        instance = Instance(values["onnx"], values["vnnlib"], timeout)
        names = [one.name for one in fields(InstanceResult) if one.name != "instance"]
        known = {name: values[name] for name in names if name in values}  # old lines have fewer
        result = InstanceResult(instance, **known)
        return cls(result, values["options"], values["version"])


def _timeout(value: float | None) -> float:
    return math.inf if value is None else float(value)


@final
class ListFolder:
    """The folder of a list in progress. Opening it resumes a list that was interrupted.

    Args:
        path: the folder.
        listing: the list.
        folder: the folder that the paths of the list are relative to.
        configuration: the options, for its ``config.toml``; None writes none.

    Raises:
        InputError: the folder cannot be written, is in use, or holds other results.
        DamagedFolderError: its files are damaged.
    """

    def __init__(
        self,
        path: Path,
        listing: ListFile,
        folder: Path,
        configuration: Configuration | None = None,
    ) -> None:
        self.path, self._listing, self._base = path, listing, folder
        self._names = name_counterexamples(listing.instances)
        self._left: list[int] = []
        self.known: list[InstanceResult] = []
        with explain_write_errors(path):
            (path / COUNTEREXAMPLES).mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(path)
        try:
            self._resume()
            if not is_written_by_us(path / CONFIG):
                raise InputError(
                    f"{path} holds a {CONFIG} that is not of this list: give another --out"
                )
            replace_file(path / LIST, listing.content())
            if configuration is not None:
                replace_file(path / CONFIG, configuration.content())
            self._lines = LineFile(path / ANSWERS)
            self._list()
        except BaseException:
            self._lock.release()
            raise

    @property
    def left(self) -> list[Instance]:
        """The instances that are not answered yet."""
        return [self._listing.instances[position] for position in self._left]

    def add(self, result: InstanceResult) -> InstanceResult:
        """Writes one answer.

        Returns:
            The answer as it is listed, with a note if its counterexample cannot be written.

        Raises:
            InputError: the answer cannot be written.
        """
        position = next(p for p in self._left if self._listing.instances[p] == result.instance)
        self._left.remove(position)
        self.known.append(result)
        listed = self._write_counterexample(position, result)
        self.known[-1] = listed
        self._lines.append(Answered(listed, self._listing.options, self._listing.version).line())
        if time.monotonic() - self._listed > _LISTED_EVERY:
            self._lines.sync()
            self._list()
        return listed

    def close(self) -> None:
        """Writes ``results.csv`` and unlocks the folder.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self._lines.sync()
            self._list()
        finally:
            self._lines.close()
            self._lock.release()

    def _list(self) -> None:
        write_results(self.path / RESULTS, self.known)
        self._listed = time.monotonic()

    def _write_counterexample(self, position: int, result: InstanceResult) -> InstanceResult:
        if not result.counterexample:
            return result
        path = self.path / COUNTEREXAMPLES / self._names[position]
        try:
            replace_file(path, result.counterexample.encode() + b"\n")
        except InputError as error:
            return replace(result, note=f"{result.note}; {error}".removeprefix("; "))
        return result

    def _resume(self) -> None:
        """Reads the answers to the same files, with the same options and version."""
        if not (self.path / LIST).exists():
            for name in (RESULTS, ANSWERS, RUN, CURVE):
                if (self.path / name).exists():
                    raise InputError(
                        f"{self.path} holds a {name} that is not of this list: give another --out"
                    )
            self._left = list(range(len(self._listing.instances)))
            return
        read_list(self.path)
        answered = read_answers(self.path)
        listed = {(one.onnx, one.vnnlib) for one in self._listing.instances}
        if not {(a.result.instance.onnx, a.result.instance.vnnlib) for a in answered} <= listed:
            raise InputError(f"{self.path} holds results of other instances: give another --out")
        known = match_answers(self._listing, answered)
        current = FileDigests(self._base)
        for position in range(len(self._listing.instances)):
            result = known.get(position)
            if result is not None and current.fit(result):
                self.known.append(self._write_counterexample(position, result))
            else:
                self._left.append(position)
        path = self.path / ANSWERS
        with explain_write_errors(path):
            content = path.read_bytes() if path.exists() else b""
            if not content.endswith(b"\n") and content:
                # A line that was cut short must not run into the next one.
                replace_file(path, content[: content.rfind(b"\n") + 1])


def match_answers(listing: ListFile, answered: Sequence[Answered]) -> dict[int, InstanceResult]:
    """The last answers to the instances of a list, with its options and version, by position."""
    free: dict[Instance, list[InstanceResult]] = {}
    for one in answered:
        if (one.options, one.version) == (listing.options, listing.version):
            free.setdefault(one.result.instance, []).append(one.result)
    counts = Counter(listing.instances)
    last = {instance: results[-counts[instance] :] for instance, results in free.items()}
    found = {}
    for position, instance in enumerate(listing.instances):
        if last.get(instance):
            found[position] = last[instance].pop(0)
    return found


def read_list(path: Path) -> ListFile:
    """Reads the list of a folder.

    Raises:
        DamagedFolderError: its file is damaged.
    """
    with explain_read_errors(path / LIST, _AGAIN):
        return ListFile.parse((path / LIST).read_bytes())


def read_answers(path: Path) -> list[Answered]:
    """Reads the answers in a folder, without a last one that was cut short.

    Raises:
        DamagedFolderError: a line is damaged.
    """
    file = path / ANSWERS
    with explain_read_errors(file, _AGAIN):
        lines = complete_lines(file.read_bytes()) if file.exists() else []
        answered = []
        for number, line in enumerate(lines, start=1):
            try:
                answered.append(Answered.parse(line))
            except Exception as error:
                raise DamagedFolderError(
                    f"line {number} of {file} is damaged ({error}): {_AGAIN}"
                ) from error
        return answered


def name_counterexamples(instances: Sequence[Instance]) -> list[str]:
    """File names for the counterexamples, different even where case does not count."""
    plain = [
        f"{Path(one.onnx).stem}_{Path(one.vnnlib).name.split('.vnnlib')[0]}"[:_LONGEST_NAME]
        for one in instances
    ]
    shared, seen = Counter(name.casefold() for name in plain), Counter[Instance]()
    names = []
    for name, one in zip(plain, instances, strict=True):
        seen[one] += 1
        if shared[name.casefold()] > 1:
            whole = f"{one.onnx}\0{one.vnnlib}\0{one.timeout!r}\0{seen[one]}"
            name = f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"  # noqa: PLW2901
        names.append(f"{name}.txt")
    return names
