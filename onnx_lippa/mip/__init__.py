"""Mixed-integer programs of a system: the paper's (7), whole or with signs given, and proofs."""
