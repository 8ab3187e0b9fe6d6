"""One BLAS thread a test process: with several, two test processes wait for each other."""

from threadpoolctl import threadpool_limits

_LIMIT = threadpool_limits(limits=1)
