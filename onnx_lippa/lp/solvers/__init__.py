"""The solvers. The only package that imports a solver library."""
