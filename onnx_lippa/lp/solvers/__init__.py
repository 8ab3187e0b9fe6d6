"""Solvers: one file each. The only package that imports a solver library."""
