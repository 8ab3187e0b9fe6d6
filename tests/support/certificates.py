"""Certificates of a certificate authority of our own, and Dask's configuration that names them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAYS = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Authority:
    """A certificate authority with one certificate, which all sides of a cluster show.

    Attributes:
        ca: file of the authority's certificate.
        cert: file of the certificate.
        key: file of its private key.
    """

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        """A new one with a name, whose files are written into a new folder."""
        folder.mkdir()
        root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        made = cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        _write(made.ca, _sign(name, root, name, root, True))
        _write(made.cert, _sign("cluster", leaf, name, root, False))
        made.key.write_bytes(
            leaf.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made

    @property
    def options(self) -> tuple[object, ...]:
        """Options of ``dask scheduler`` and ``dask worker``."""
        return "--tls-ca-file", self.ca, "--tls-cert", self.cert, "--tls-key", self.key

    @property
    def configuration(self) -> dict[str, str]:
        """Dask's configuration of a client."""
        name = "distributed.comm.tls"
        return {
            f"{name}.ca-file": str(self.ca),
            f"{name}.client.cert": str(self.cert),
            f"{name}.client.key": str(self.key),
        }

    @property
    def variables(self) -> dict[str, str]:
        """The same as environment variables."""
        return {
            f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": value
            for name, value in self.configuration.items()
        }


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    is_authority: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAYS)
        .not_valid_after(now + _DAYS)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .sign(signer, hashes.SHA256())
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
