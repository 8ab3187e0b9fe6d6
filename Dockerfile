# A slim image whose packages are pinned by hashes and whose process has no rights:
#
#   docker build -t onnx-lippa .
#   docker run --rm -v "$PWD:/data" onnx-lippa audit model.onnx data.npz --eps 0.03
#
# requirements.lock: pip-compile --generate-hashes --allow-unsafe --all-build-deps --strip-extras
#   --no-annotate --no-header --output-file=requirements.lock pyproject.toml
# (with the Python of the image). For a base that cannot change either, give it by its digest:
#   docker build --build-arg PYTHON=python@sha256:... -t onnx-lippa .
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/onnx-lippa
COPY requirements.lock ./
RUN /opt/onnx-lippa/bin/python -m pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY onnx_lippa ./onnx_lippa
RUN /opt/onnx-lippa/bin/python -m pip install --no-cache-dir --no-compile --no-deps --no-build-isolation .
# What OR-Tools names and nothing here imports, what only builds, and the packages' own tests.
RUN /opt/onnx-lippa/bin/python -m pip uninstall --quiet --yes pandas python-dateutil tzdata hatchling editables pathspec pluggy tomlkit trove-classifiers pip
RUN find /opt/onnx-lippa -type d -name tests -prune -exec rm -rf {} +
# Compiles what a run imports, since the user of the image cannot write there.
RUN /opt/onnx-lippa/bin/onnx-lippa audit --example --first 2 --quiet

FROM ${PYTHON}
RUN useradd --no-create-home --uid 10001 lippa
COPY --from=build /opt/onnx-lippa /opt/onnx-lippa
ENV PATH=/opt/onnx-lippa/bin:${PATH} PYTHONDONTWRITEBYTECODE=1
USER lippa
WORKDIR /data
ENTRYPOINT ["onnx-lippa"]
CMD ["--help"]
