"""Linear regions, the LPStep over them, and linear and mixed-integer programs.

A program is data (:mod:`~onnx_lippa.lp.program`), a solver one line of a table
(:mod:`~onnx_lippa.lp.solvers.table`). A region engine states the LPStep of a region, eq. (12), as
such a program.
"""
