"""``python -m onnx_lippa``: the command line."""

from onnx_lippa.cli.main import main

if __name__ == "__main__":
    main()
