"""The measurements of docs/performance.md: ``python -m tools.bench TABLE``, one module a table."""
