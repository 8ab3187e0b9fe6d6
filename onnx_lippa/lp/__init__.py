"""Linear regions and the programs over them: what a program is, who solves it, the LPStep.

Programs are data (:mod:`~onnx_lippa.lp.program`); a solver is one file of ``solvers``. A region
engine states the LPStep of a region, eq. (12), as such a program.
"""
