"""Stages of attacks: each is one pass over the open inputs of a batch.

A stage offers candidates; the state of the input checks them and decides. Methods of attack, one
file above, order stages to schedules.
"""
