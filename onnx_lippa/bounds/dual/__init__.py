"""Bounds of a reduced network from dual variables: their ascent (α, β), and the proof they give."""
