"""What the documentation site needs beside its pages: hooks of MkDocs, roles in docstrings."""
