"""Bounds over the tape of layers, for many input sets at once.

Intervals come from the layers' own ``forward``, evaluated in an algebra of intervals; linear
bounds from their own ``transpose``, with lines in place of what is not affine.
"""
