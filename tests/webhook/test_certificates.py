"""Years of renewing certificates, day by day: what is served is trusted at every moment, and nothing else is."""

import contextlib
import datetime as dt
import itertools
import pathlib
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import verification
from hypothesis import strategies as st

from webhook.certificates import issuing

NAMES = issuing.host_names("hook", "here")
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NOTHING: dict[str, Any] = {"signer": None, "successor": None, "server": None, "trusted": ()}
DAY = dt.timedelta(days=1)


def parts(holding: issuing.Holding) -> dict[str, Any]:
    return {name: getattr(holding, name) for name in NOTHING}


def after(days: float, found: dict[str, Any] = NOTHING, names: Sequence[str] = NAMES) -> issuing.Holding:
    return issuing.due(**found, names=names, now=START + days * DAY)


def is_accepted(
    server: x509.Certificate, trusted: Sequence[x509.Certificate], days: float, name: str = NAMES[0]
) -> bool:
    """Whether a strict client that calls the server by this name accepts its certificate."""
    policy = verification.PolicyBuilder().store(verification.Store(list(trusted))).time(START + days * DAY)
    try:
        policy.build_server_verifier(x509.DNSName(name)).verify(server, [])
    except verification.VerificationError:
        return False
    return True


def test_three_years_of_daily_runs_never_serve_what_is_not_trusted() -> None:
    before = after(0)
    signers, servers = {before.signer.certificate}, {before.server.certificate}
    for day in range(1, 3 * 365):
        now = after(day, parts(before))
        # At any moment of the change the webhook may serve the old or the new, and be checked by the old or the new.
        for holding, bundle in itertools.product((before, now), (before.trusted, now.trusted)):
            assert is_accepted(holding.server.certificate, bundle, day), f"day {day}"
        assert len(now.trusted) <= 2
        signers.add(now.signer.certificate)
        servers.add(now.server.certificate)
        before = now
    assert len(signers) == 5, "one every 244 days, the second a month later"
    assert len(servers) == 3 * 365 // 60 + 1, "one every 60 days"


def test_who_copied_the_bundle_has_a_month_to_copy_it_again() -> None:
    holding = after(0)
    told: dict[x509.Certificate, int] = {}
    signing: dict[x509.Certificate, int] = {}
    for day in range(500):
        holding = after(day, parts(holding))
        for known in holding.trusted:
            told.setdefault(known, day)
        signing.setdefault(holding.signer.certificate, day)
    assert [signing[known] - told[known] for known in signing] == [0, 32]


@hypothesis.given(pauses=st.lists(st.floats(0.01, 400), max_size=12))
def test_after_any_pause_one_run_makes_it_good_and_a_second_changes_nothing(pauses: list[float]) -> None:
    day, found = 0.0, NOTHING
    for pause in pauses:
        day += pause
        holding = after(day, found)
        assert is_accepted(holding.server.certificate, holding.trusted, day)
        assert after(day, parts(holding)) == holding
        assert all(known.not_valid_after_utc > START + day * DAY for known in holding.trusted)
        found = parts(holding)


def text(pair: issuing.Pair | None) -> tuple[bytes, bytes]:
    assert pair is not None
    return pair.certificate_pem(), pair.key_pem()


def foreign_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


LOSSES: list[Any] = [
    pytest.param(lambda kept: kept.update(signer=None), id="the authorities' Secret is lost"),
    pytest.param(lambda kept: kept.update(server=None), id="the certificate is lost"),
    pytest.param(lambda kept: kept.update(trusted=()), id="the bundle is lost"),
    pytest.param(lambda kept: kept.update(server=after(0).server), id="the certificate is from somebody else"),
    pytest.param(lambda kept: kept.update(signer=kept["server"]), id="the signer is no authority"),
    pytest.param(lambda kept: kept.update(server=kept["signer"]), id="the certificate is the authority's"),
    pytest.param(lambda kept: kept.update(**parts(after(0, names=("else.there.svc",)))), id="all is for another name"),
]


@pytest.mark.parametrize("lose", LOSSES)
def test_what_is_lost_or_wrong_is_made_anew(lose: Callable[[dict[str, Any]], None]) -> None:
    kept = parts(after(0))
    lose(kept)
    holding = after(1, kept)
    assert all(is_accepted(holding.server.certificate, holding.trusted, 1, name) for name in NAMES)
    assert after(2, parts(holding)) == holding


def test_what_is_served_stays_good_when_its_authority_is_lost() -> None:
    before = after(0)
    now = after(1, {**parts(before), "signer": None})
    assert now.server == before.server
    assert is_accepted(before.server.certificate, now.trusted, 1)
    assert now.signer.certificate in now.trusted


def test_an_authority_is_good_for_its_own_names_only() -> None:
    signer = after(0).signer
    other = issuing.issue(signer, ("kubernetes.default.svc",), START)
    assert not is_accepted(other.certificate, [signer.certificate], 0, "kubernetes.default.svc")


def test_a_trusted_bundle_stays_small_whatever_happens() -> None:
    holding = after(0)
    for number in range(30):
        holding = after(number / 100, {**parts(holding), "signer": None, "server": None})
    assert len(holding.trusted) == issuing.MOST_TRUSTED
    assert is_accepted(holding.server.certificate, holding.trusted, 0.3)


def test_pem_is_read_back_as_written_and_by_others() -> None:
    holding = after(0)
    assert issuing.Pair.parse(*text(holding.server)) == holding.server
    assert issuing.parse_bundle(issuing.bundle_pem(holding.trusted * 2)) == holding.trusted * 2
    context = ssl.create_default_context(cadata=issuing.bundle_pem(holding.trusted).decode())
    assert [known["subject"] for known in context.get_ca_certs()]


@pytest.mark.parametrize(
    "pems",
    [
        pytest.param(lambda pair: (b"", b""), id="nothing"),
        pytest.param(lambda pair: (b"\xff\x00", text(pair)[1]), id="no certificate"),
        pytest.param(lambda pair: (text(pair)[0], b"-----BEGIN PRIVATE KEY-----\nAAAA\n"), id="half a key"),
        pytest.param(lambda pair: (text(pair)[0], text(after(0).server)[1]), id="the key of another"),
        pytest.param(lambda pair: (text(pair)[0], foreign_key()), id="a key of another kind"),
    ],
)
def test_pem_that_cannot_be_used_is_none(pems: Callable[[issuing.Pair], tuple[bytes, bytes]]) -> None:
    assert issuing.Pair.parse(*pems(after(0).server)) is None


def test_keys_are_not_shown() -> None:
    pair = after(0).server
    assert "key" not in repr(pair)


def test_a_bundle_that_is_none_holds_nothing() -> None:
    assert issuing.parse_bundle(b"no bundle") == ()
    assert issuing.parse_bundle(b"") == ()


def test_what_is_made_is_taken_by_a_python_that_wants_key_identifiers(tmp_path: pathlib.Path) -> None:
    """As Python 3.13 does, with OpenSSL's strict checks."""
    made = issuing.due(**NOTHING, names=NAMES, now=dt.datetime.now(dt.UTC))
    (tmp_path / "crt").write_bytes(made.server.certificate_pem())
    (tmp_path / "key").write_bytes(made.server.key_pem())
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    asking = ssl.create_default_context(cadata=issuing.bundle_pem(made.trusted).decode())
    asking.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=NAMES[0])
    server = serving.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.getpeercert() is not None
    assert client.version() is not None
