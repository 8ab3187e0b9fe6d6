"""What is written of the path of an attack: numbers, and a picture."""

from onnx_lippa.reports.trace.files import check_trace_file, write_trace

__all__ = ["check_trace_file", "write_trace"]
