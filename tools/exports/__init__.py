"""Exporters of small networks from many frameworks: the ONNX files of tests/exports."""
