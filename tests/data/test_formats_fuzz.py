"""Whatever bytes a file holds, it is read or refused with an InputError."""

import gzip
import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.errors import InputError
from tests.support.data import read_data

IMAGES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
NAMES = {"npz": "a.npz", "deflated": "a.npz", "npy": "a.npy", "idx": "a.idx", "idx.gz": "a.idx.gz"}
KINDS = sorted(NAMES)


@pytest.fixture(scope="session")
def valid(idx_bytes):
    def saved(save, *arrays, **named):
        buffer = io.BytesIO()
        save(buffer, *arrays, **named)
        return buffer.getvalue()

    return {
        "npz": saved(np.savez, x=IMAGES, y=np.arange(3)),
        "deflated": saved(np.savez_compressed, x=IMAGES, y=np.arange(3)),
        "npy": saved(np.save, IMAGES),
        "idx": idx_bytes(IMAGES),
        "idx.gz": gzip.compress(idx_bytes(IMAGES), mtime=0),
    }


def read(folder, kind, content):
    path = folder / NAMES[kind]
    path.write_bytes(content)
    return read_data(path, (1, 2, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_valid_files_load(scratch, valid, kind):
    data = read(scratch, kind, valid[kind])
    assert np.array_equal(data.inputs, (IMAGES / 255).astype(np.float32).reshape(3, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(scratch, valid, kind):
    for length in range(len(valid[kind])):
        with pytest.raises(InputError):
            read(scratch, kind, valid[kind][:length])


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, derandomize=True)
@given(content=st.binary(max_size=200), magic=st.integers(0, 12))
def test_random_bytes(scratch, valid, kind, content, magic):
    with suppress(InputError):
        read(scratch, kind, valid[kind][:magic] + content)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, derandomize=True)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1000), st.integers(0, 2), st.binary(min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_mutations(scratch, valid, kind, edits):
    content = bytearray(valid[kind])
    for position, removed, inserted in edits:
        start = position % len(content)
        content[start : start + removed] = inserted
    with suppress(InputError):
        read(scratch, kind, bytes(content))


@settings(deadline=None, derandomize=True)
@given(header=st.text(alphabet="{}()[],:'\"0123456789 -+eLdescrfortan_shp<>|uif\\\n", max_size=80))
def test_headers_of_npy_files(scratch, header):
    encoded = header.encode("latin1")
    prefix = b"\x93NUMPY\x01\x00" + len(encoded).to_bytes(2, "little")
    with suppress(InputError):
        read(scratch, "npy", prefix + encoded + bytes(12))
