"""What a command is given: options, their values, configurations and gates."""
