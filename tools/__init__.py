"""What is no part of the package: benchmarks, exporters, training, generators of docs."""
