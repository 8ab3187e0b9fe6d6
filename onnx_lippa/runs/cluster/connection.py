"""The connection to a scheduler, and what goes wrong with it, in a sentence each."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from distributed import Client
from distributed.security import Security

from onnx_lippa.errors import WorkerError, describe

CONNECT_SECONDS: Final = 10
"""Time in which a scheduler must answer, or let go."""
_TLS: Final = "tls://"
_SETTINGS: Final = "distributed.comm.tls"
_FILES: Final = {"ca_file": "ca-file", "cert": "client.cert", "key": "client.key"}
"""The files that TLS needs, by their names in Dask's configuration."""


def connect(address: str) -> Client:
    """A connection to a scheduler. For ``tls://``, Dask's configuration names the certificates.

    Raises:
        WorkerError: none answers, or certificates are missing, unusable or refused.
    """
    security, is_tls = Security(), address.strip().startswith(_TLS)
    if is_tls:
        _require_certificates(address, security)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared later
            return Client(address, timeout=CONNECT_SECONDS, security=security, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        causes = list(_causes(error))
        if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
            raise WorkerError(
                f"the scheduler at {address} has a certificate that {security.tls_ca_file} did "
                f"not sign: name its authority as {_SETTINGS}.ca-file"
            ) from error
        if is_tls and any(isinstance(one, ssl.SSLError) or "SSL" in str(one) for one in causes):
            raise WorkerError(
                f"the scheduler at {address} refuses the certificate {security.tls_client_cert}, "
                f"or does not speak TLS ({describe(causes[-1])}): name one that its authority has "
                f"signed as {_SETTINGS}.client.cert"
            ) from error
        hint = "" if is_tls else ", which begins with tls:// if it has certificates"
        raise WorkerError(
            f"no Dask scheduler answers at {address} ({describe(error)}): start one with 'dask "
            f"scheduler', and give the address that it prints{hint}"
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__


def _require_certificates(address: str, security: Security) -> None:
    """Opens the files that Dask's configuration names, as a connection will.

    Raises:
        WorkerError: one is not named, cannot be read, or holds no certificate or key.
    """
    files = security.get_tls_config_for_role("client")
    for kind, name in _FILES.items():
        setting = f"{_SETTINGS}.{name}"
        if files[kind] is None:
            if kind == "key":
                continue  # it may lie in the file of the certificate
            variable = "DASK_" + setting.upper().replace(".", "__").replace("-", "_")
            raise WorkerError(
                f"{address} needs certificates, and Dask's configuration has no {setting}: set it "
                f"there, or as {variable}"
            )
        try:
            if "\n" not in files[kind]:  # the text itself is a setting, too
                Path(files[kind]).read_bytes()
        except OSError as error:
            raise WorkerError(
                f"cannot read {files[kind]}, which Dask's configuration names as {setting} "
                f"({error.strerror or error}): correct it"
            ) from error
    try:
        security.get_connection_args("client")
    except (OSError, ValueError) as error:  # errors of ssl are among them
        raise WorkerError(
            f"the certificates of {_SETTINGS} in Dask's configuration cannot be used "
            f"({describe(error)}): name PEM files of an authority, of a certificate, and of its key"
        ) from error


@contextmanager
def explained(address: str) -> Iterator[None]:
    """A block in which the loss of the scheduler is an error of ours."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        raise WorkerError(describe_loss(address)) from error


def describe_loss(address: str) -> str:
    """The sentence about a scheduler that is gone."""
    return (
        f"the scheduler at {address} is gone: what had finished is kept, and the same command "
        "goes on"
    )
