"""One BLAS thread and one worker a test process: with more, test processes wait for each other."""

import signal

import pytest
from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.shared_files"]
_LIMIT = threadpool_limits(limits=1)


@pytest.fixture(scope="session", autouse=True)
def one_core():
    """Without a number of workers there is one for each core; each takes a second to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onnx_lippa.runs.workers.count_cores", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def heard_interrupts():
    """In the background of a script SIGINT is ignored, and so it would be by commands of tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
