"""One BLAS thread a test process: with several, two test processes wait for each other."""

import pytest
from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.shared_files"]
_LIMIT = threadpool_limits(limits=1)
