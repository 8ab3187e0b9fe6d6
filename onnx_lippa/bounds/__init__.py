"""Proven bounds: of a network layer by layer, and of its reduction over one input domain.

Over the layers, intervals are the layers' own ``forward`` in an algebra of intervals, and linear
bounds (CROWN) their own ``transpose`` with a linear relaxation of each piecewise-linear layer;
many input sets are bounded at once. ``reduced`` eliminates stable units over one input domain;
``dual`` bounds the remaining network by Lagrangian duality (α,β-CROWN).
"""
