"""Files that unpack to far more than is there: a sentence, or the rows asked for, in little memory.

Streams are repetitions of one flushed block, so that gigabytes are built in no time; their
checksums are wrong, and nothing may get so far as to find out.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zlib

import numpy as np
import pytest

from onnx_lippa.cli.arguments.values import values_from
from onnx_lippa.data import files, open_data
from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.runs.folder import read_witnesses
from tests.support.commands import JsonProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
HUGE = 4_200_000_000
"""Bytes; more than is unpacked, less than needs a longer zip."""
WIDTH = 1000
MEMORY = 1 << 30
SECONDS = 3.0
READER = """
import json, resource, sys, time
import numpy as np
from pathlib import Path
from onnx_lippa.cli.arguments.values import values_from
from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.data import open_data
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
for line in sys.stdin:
    path, first = json.loads(line)
    began = time.process_time()
    try:
        data = open_data(Path(path), (WIDTH,), first=first)
        said = [data.count, *data.inputs.shape, float(np.sum(data.inputs[:]))]
    except InputError as error:
        said = str(error)
    print(json.dumps([said, time.process_time() - began]), flush=True)
"""


@pytest.fixture(scope="module")
def reader():
    """A function that opens a file in a process with little memory: what it holds, or why not."""
    code = READER.replace("MEMORY", str(MEMORY)).replace("WIDTH", str(WIDTH))
    process = JsonProcess(code)

    def read(path, first=None):
        said, seconds = process.ask([str(path), first])
        assert seconds < SECONDS
        return said

    yield read
    process.close()


def zeros(beginning: bytes, count: int) -> bytes:
    """A raw deflate stream of some bytes and, about, so many zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 22)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (count // (1 << 22) + 1) + packer.flush()


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def archive(*members: tuple[str, bytes, int], checksum: int = 0) -> bytes:
    """A zip file of deflated members: a name, the stream, and the length that is declared."""
    body, directory = b"", b""
    for name, stream, length in members:
        common = struct.pack("<4H3L2H", 0, 8, 0, 0x21, checksum, len(stream), length, len(name), 0)
        directory += struct.pack("<4s2H", b"PK\1\2", 20, 20) + common
        directory += struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + name.encode()
        body += struct.pack("<4sH", b"PK\3\4", 20) + common + name.encode() + stream
    count = len(members)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def archived(declared: int, beginning: bytes, unpacked: int) -> bytes:
    return archive(("x.npy", zeros(beginning, unpacked), declared))


def gzipped(shape: tuple[int, ...], unpacked: int) -> bytes:
    """An IDX file of bytes."""
    start = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return b"\x1f\x8b\x08" + bytes(7) + zeros(start, unpacked) + bytes(8)


ROWS = header((HUGE // WIDTH, WIDTH))
LIMIT = "holds an array that takes 4.2 GB of memory, and at most 4 GB are unpacked: take fewer"
REFUSED = {
    "archive": ("a.npz", lambda: archived(HUGE + len(ROWS), ROWS, HUGE), LIMIT),
    "array longer than its member": (
        "a.npz", lambda: archived(1000, ROWS, HUGE), "damaged, incomplete"),
    "member longer than its array": (
        "a.npz", lambda: archived(HUGE, header((1, WIDTH)), HUGE), "damaged, incomplete"),
    "header without end": (
        "a.npz", lambda: archived(HUGE, b"\x93NUMPY\2\0\xff\xff\xff\xff{", HUGE),
        "damaged, incomplete"),
    "extents beyond all numbers": (
        "a.npz", lambda: archived(HUGE, header((10**30, WIDTH)), HUGE), "damaged, incomplete"),
    "more than there is": (
        "a.npz", lambda: archived(3 * 10**9 + 128, header((3 * 10**6, WIDTH)), HUGE),
        "takes more memory than there is"),
    "idx": ("a.idx.gz", lambda: gzipped((HUGE // WIDTH, WIDTH), HUGE), LIMIT),
    "idx beyond all numbers": (
        "a.idx.gz", lambda: gzipped((2**32 - 1, 2**32 - 1), HUGE), "unpacked"),
    "idx longer than declared": ("a.idx.gz", lambda: gzipped((1, WIDTH), HUGE), "but holds more"),
    "npy longer than its file": ("a.npy", lambda: ROWS + bytes(1000), "damaged, incomplete"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bombs_are_refused(reader, tmp_path, name):
    file, content, says = REFUSED[name]
    (tmp_path / file).write_bytes(content())
    said = reader(tmp_path / file)
    assert says in said
    assert "\n" not in said


@pytest.mark.parametrize("name", ["archive", "idx"])
def test_the_first_rows_of_a_bomb(reader, tmp_path, name):
    file, content, _ = REFUSED[name]
    (tmp_path / file).write_bytes(content())
    assert reader(tmp_path / file, 2) == [HUGE // WIDTH, 2, WIDTH, 0.0]


def test_a_large_array_in_a_file_is_no_bomb(reader, tmp_path):
    """It stays there, whatever its length."""
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        file.write(ROWS)
        file.truncate(len(ROWS) + HUGE)  # a hole: it takes no room
    assert "takes more memory than there is" in reader(path)  # of addresses, here
    data = open_data(path, (WIDTH,), first=3)
    assert (data.count, data.inputs.shape) == (HUGE // WIDTH, (3, WIDTH))


@pytest.mark.parametrize(("change", "says"), [(0, "takes 4.2 GB"), (1, "damaged")])
def test_labels_of_more_than_is_unpacked(tmp_path, change, says):
    """The inputs are read before them, with their checksum."""
    inputs = header((1, 4)) + bytes(4)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    labels = header((HUGE,))
    content = archive(
        ("x.npy", packer.compress(inputs) + packer.flush(), len(inputs)),
        ("y.npy", zeros(labels, HUGE), HUGE + len(labels)),
        checksum=zlib.crc32(inputs) ^ change,
    )
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=says):
        open_data(tmp_path / "a.npz", (4,))


@pytest.mark.parametrize("kind", ["npz", "idx", "npy"])
@pytest.mark.parametrize("first", [1, 7, 50, None])
def test_the_first_rows_are_those_of_all(tmp_path, monkeypatch, idx_bytes, kind, first):
    monkeypatch.setattr("onnx_lippa.data.files.LARGE", 100)
    x = np.random.default_rng(0).integers(0, 256, (20, 2, 3)).astype(np.uint8)
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez_compressed(path, x=x, y=np.arange(20))
    elif kind == "npy":
        np.save(path, x)
    else:
        path.write_bytes(gzip.compress(idx_bytes(x)))
    read = open_data(path, (2, 3), first=first)
    expected = (x / 255).astype(np.float32).reshape(20, 6)[:first]
    assert np.array_equal(read.inputs[:], expected)
    assert read.count == 20
    if kind != "npz":  # a sample without a batch axis is whole, however few are asked for
        assert open_data(path, (20, 2, 3), first=first).inputs.shape == (1, 120)


def test_what_is_not_asked_for_is_not_looked_at(tmp_path):
    x = np.zeros((5, 4))
    x[3, 2] = np.nan
    np.save(tmp_path / "a.npy", x)
    assert len(open_data(tmp_path / "a.npy", (4,), first=3).inputs) == 3
    with pytest.raises(InputError, match="input 3 in"):
        open_data(tmp_path / "a.npy", (4,), first=4)


def test_the_limit_is_of_what_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    monkeypatch.setattr("onnx_lippa.data.files.LARGE", 100)
    np.save(tmp_path / "a.npy", np.zeros((100, 4)))
    assert open_data(tmp_path / "a.npy", (4,)).count == 100
    np.save(tmp_path / "a.npy", np.asfortranarray(np.zeros((100, 4))))
    with pytest.raises(InputError, match="at most 1e-06 GB"):
        open_data(tmp_path / "a.npy", (4,))


def test_files_of_options_and_results_have_the_same_limit(tmp_path):
    start = header((HUGE // 8,), "<f8")
    path = tmp_path / "eps.npz"
    path.write_bytes(archive(("eps.npy", zeros(start, HUGE), HUGE + len(start))))
    with pytest.raises(InputError, match="at most 4 GB are unpacked"):
        values_from("--eps", str(path))
    path.write_bytes(archive(("index.npy", zeros(start, HUGE), HUGE + len(start))))
    with pytest.raises(DamagedFolderError, match="at most 4 GB are unpacked"):
        read_witnesses(path, (4,))
