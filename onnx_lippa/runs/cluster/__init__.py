"""The jobs of a run on the machines of a Dask cluster (the extra ``cluster``).

:mod:`pool` is the side of the run, :mod:`serving` that of the machines, :mod:`packing` what goes
from one to the other, :mod:`versions` what must be the same on both.
"""
