"""Proofs without rounding: small networks, single points, ties, inputs without bounds."""
