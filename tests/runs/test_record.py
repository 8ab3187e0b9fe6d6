"""The reason why an input is unknown, in a line of the results."""

from __future__ import annotations

import json

import pytest

from onnx_lippa.ending import OUT_OF_TIME, Ending, Reason
from onnx_lippa.runs.record import Record
from onnx_lippa.witness import Result, Verdict

LOOSE = Reason(Ending.LOOSE_BOUNDS, "its linear bounds leave a margin open")


@pytest.mark.parametrize("reason", [None, OUT_OF_TIME, LOOSE])
def test_a_line_holds_the_reason_as_a_sentence_and_as_an_ending(reason):
    result = Result(3, Verdict.UNKNOWN, reason=reason)
    line = Record.of(result, 1, 1).line().encode()
    values = json.loads(line)
    assert values["reason"] == ("" if reason is None else reason.sentence)
    assert values.get("ending") == (None if reason is None else reason.ending.value)
    assert Record.parse(line).result(None) == result


def test_a_line_of_before_there_were_endings_keeps_its_checksum():
    values = Record.of(Result(3, Verdict.UNKNOWN, reason=LOOSE), 1, 1).as_json()
    del values["ending"]
    record = Record.of_json(values)
    assert record.as_json() == values
    assert record.result(None).reason == Reason(Ending.UNRECORDED, LOOSE.sentence)


def test_an_ending_that_does_not_exist_is_damage():
    values = Record.of(Result(3, Verdict.UNKNOWN, reason=LOOSE), 1, 1).as_json()
    with pytest.raises(ValueError, match="tired"):
        Record.of_json(values | {"ending": "tired"})


def test_a_line_names_the_group_only_where_there_is_one():
    result = Result(3, Verdict.UNKNOWN)
    grouped = Record.of(result, 1, 1, "north")
    assert json.loads(grouped.line())["group"] == "north"
    assert Record.parse(grouped.line().encode()) == grouped
    assert "group" not in Record.of(result, 1, 1).as_json()
