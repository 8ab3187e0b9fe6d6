"""Torture: the program as hostile users, tired users and machines that die would use it.

Each kind of trial is a function of a seed. The suite runs a few seeds of each
(``test_torture.py``); ``python -m tests.torture --minutes 120`` runs as many as the time allows
and prints the table of ``docs/reliability.md``.
"""
