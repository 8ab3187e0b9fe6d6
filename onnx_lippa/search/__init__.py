"""Complete search: branch and bound whose bounds are dual and whose leaves are LPSteps."""
