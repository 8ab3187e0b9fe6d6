"""Files to read, written without the code under test."""

import struct

import numpy as np
import pytest

IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


@pytest.fixture(scope="session")
def idx_bytes():
    """A function: the IDX file of an array, as bytes."""

    def encode(values):
        values = np.asarray(values)
        code = IDX_CODES[values.dtype.str[1:]]
        header = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
        return header + values.astype(values.dtype.newbyteorder(">")).tobytes()

    return encode


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """A folder for property tests, which may not use one per test function."""
    return tmp_path_factory.mktemp("scratch")
