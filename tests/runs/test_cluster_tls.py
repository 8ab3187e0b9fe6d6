"""A Dask scheduler that talks over TLS, with certificates of our own."""

from __future__ import annotations

import sys

import pytest

from tests.support.attacks import DIGITS
from tests.support.certificates import Authority
from tests.support.cluster import DaskCluster
from tests.support.commands import assert_refused, command, spawned

dask = pytest.importorskip("dask", reason="the extra cluster")
pytest.importorskip("distributed", reason="the extra cluster")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]
WORDS = ("attack", DIGITS, "--eps", "0.05", "--first", 4, "--quiet")
NAME = "distributed.comm.tls"
VARIABLE = "DASK_DISTRIBUTED__COMM__TLS__"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(home):
    return Authority.make(home / "ours", "ours")


@pytest.fixture(scope="module")
def theirs(home):
    return Authority.make(home / "theirs", "theirs")


@pytest.fixture(scope="module")
def secured(home, ours):
    """A scheduler and a worker that show certificates, and want to see them."""
    (home / "dask").mkdir()
    with DaskCluster(home / "dask", ours.options) as started:
        started.add_worker()
        yield started


@pytest.fixture
def refused(secured):
    """What the command says with a configuration of Dask."""

    def refuse(settings: dict[str, str], *said: str, address: str = secured.address) -> None:
        with dask.config.set(settings):
            assert_refused(command(*WORDS, "--cluster", address), 71, *said)

    return refuse


def test_a_run_over_tls(secured, ours, tmp_path, monkeypatch):
    """Dask's own configuration suffices, and nothing of the run goes another way."""
    assert secured.address.startswith("tls://")
    for name, value in ours.variables.items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "run"
    process = spawned(*WORDS, "--cluster", secured.address, "--out", out)
    said, err = process.communicate(timeout=120)
    assert (process.returncode, said, err) == (0, "", ""), secured.log()
    assert len((out / "results.jsonl").read_text().splitlines()) == 4
    assert "tcp://" not in secured.log()


def test_no_certificates(refused, ours):
    refused({}, "needs certificates", "has no distributed.comm.tls.ca-file", f"{VARIABLE}CA_FILE")
    only = {f"{NAME}.ca-file": str(ours.ca)}
    refused(only, "has no distributed.comm.tls.client.cert", f"{VARIABLE}CLIENT__CERT")


def test_files_that_cannot_be_used(refused, ours, theirs, tmp_path):
    settings = ours.configuration
    refused(
        {**settings, f"{NAME}.client.cert": str(tmp_path / "none.pem")},
        f"cannot read {tmp_path / 'none.pem'}", "as distributed.comm.tls.client.cert", "No such",
    )  # fmt: skip
    (tmp_path / "no.pem").write_text("no certificate")
    for name, path in (("ca-file", tmp_path / "no.pem"), ("client.key", theirs.key)):
        refused({**settings, f"{NAME}.{name}": str(path)}, "cannot be used", "name PEM files")


def test_certificates_of_others(refused, ours, theirs):
    refused(theirs.configuration, f"a certificate that {theirs.ca} did not sign")
    refused(
        {**theirs.configuration, f"{NAME}.ca-file": str(ours.ca)},
        f"refuses the certificate {theirs.cert}",
    )


def test_tls_on_one_side_alone(refused, secured, ours, tmp_path):
    plain = secured.address.replace("tls://", "tcp://")
    refused(ours.configuration, "begins with tls:// if it has certificates", address=plain)
    (tmp_path / "dask").mkdir()
    with DaskCluster(tmp_path / "dask") as other:
        address = other.address.replace("tcp://", "tls://")
        refused(ours.configuration, "or does not speak TLS", address=address)
