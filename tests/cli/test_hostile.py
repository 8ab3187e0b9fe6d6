"""Hostile models on the command line, under a limit of memory: a sentence, in seconds."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import pytest

from tests.support.commands import JsonProcess
from tests.support.graphs import saved
from tests.support.hostile import ACCEPTED, MODELS
from tests.support.shared_files import each_shared_file

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
COMMANDS = {"inspect": [], "attack": ["--eps", "0.1", "--workers", "1"]}
SECONDS = 40.0
"""Seconds for one command on a busy machine; alone it takes one or two at most."""
MEMORY = 3 << 30
"""Bytes of resident memory that a command may take."""

SERVER = """
import json, os, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000,) * 2)
from onnx_lippa.cli import main
import onnx_lippa.cli.commands.inspect, onnx_lippa.cli.commands.attack
for line in sys.stdin:
    words, out = json.loads(line)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{out}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["onnx-lippa", *words]
        code = 99
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - began,
                      usage.ru_maxrss * 1024]), flush=True)
"""


class Server:
    """Runs command lines in forks of a process that has imported everything already."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._process = folder, JsonProcess(SERVER)
        self.close = self._process.close

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output and errors; fails where it took too long or too much."""
        out = self._folder / "said"
        code, seconds, memory = self._process.ask([words, str(out)])
        said = [Path(f"{out}.{name}").read_bytes().decode() for name in ("out", "err")]
        assert seconds < SECONDS, said
        assert memory < MEMORY, said
        return code, *said


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all tests of this file."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.close()


def assert_clean(text: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert len(text) < 20_000


def assert_refused(code: int, out: str, err: str) -> None:
    """Exit code 3 and one sentence, or one for each of a few nodes."""
    assert_clean(out)
    assert_clean(err)
    assert code == 3, (out, err)
    first, *others = err.splitlines()
    assert first.startswith("error: ")
    assert all(line.startswith("  ") for line in others)
    for wrong in ("Traceback", "fault of onnx-lippa", "please report"):
        assert wrong not in err


@pytest.mark.parametrize("command", ["inspect", pytest.param("attack", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_refused(server, tmp_path, name, command):
    path = saved(MODELS[name](), tmp_path)
    assert_refused(*server.run(command, str(path), *COMMANDS[command]))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(server, tmp_path, name, command):
    code, out, err = server.run(command, str(saved(ACCEPTED[name](), tmp_path)), *COMMANDS[command])
    assert (code, err) == (0, "")
    assert_clean(out)


def many_nodes() -> bytes:
    content = b"\x0a\x00" * 30_000_000
    return gzip.compress(b"\x3a" + _length(content) + content, 1)


def deep() -> bytes:
    """A subgraph in a node in a graph in a subgraph."""
    deep = b""
    for _ in range(5000):
        attribute = b"\x32" + _length(deep) + deep
        holder = b"\x2a" + _length(attribute) + attribute
        deep = b"\x0a" + _length(holder) + holder
    return b"\x3a" + _length(deep) + deep


BOMBS = {
    "zeros": lambda: gzip.compress(bytes(1 << 28), 1),
    "many nodes": many_nodes,
    "deep": deep,
    "text": lambda: b"\x1b[2J" * 1000,
    "nothing": lambda: b"",
}
"""Files that are no models, or unpack to very much."""


def _length(content: bytes) -> bytes:
    number, out = len(content), bytearray()
    while True:
        number, low = number >> 7, number & 127
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_are_no_models(server, tmp_path, name):
    path = tmp_path / "model.onnx"
    path.write_bytes(BOMBS[name]())
    assert_refused(*server.run("inspect", str(path), "--load-memory", "1"))


@pytest.mark.parametrize("command", [pytest.param("inspect", marks=pytest.mark.slow), "attack"])
@each_shared_file("cases/hostile/*.onnx")
def test_shared_files(server, path, command):
    code, out, err = server.run(command, str(path), *COMMANDS[command])
    if path.stem in ("segfault_tiny", "esc_ok_names"):  # harmless after all
        assert (code, err) == (0, "")
        assert_clean(out)
    else:
        assert_refused(code, out, err)
