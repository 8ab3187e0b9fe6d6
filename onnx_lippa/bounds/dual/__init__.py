"""Dual bounds of reduced networks (α,β-CROWN): back-substitution, ascent and certificate."""
