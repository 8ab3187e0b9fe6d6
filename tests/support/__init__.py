"""What the tests share: models and networks, strategies of hypothesis, checks, brute force."""
