"""Mixed-integer programs of a reduced network: the paper's (7), with or without signs given."""
