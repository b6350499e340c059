"""Senders that sign: what is signed is taken without a token, what is not is refused and says why."""

from __future__ import annotations

import base64
import hmac
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from grouping.config import BadConfig
from grouping.formats import FORMATS
from grouping.runtimes.settings import Settings
from grouping.runtimes.signatures import TOLERANCE, Unsigned
from tests.live import Live, grouping, until
from tests.published import PUBLISHED

NOW = 1_770_790_000.0
BODY = b'{"action":"created"}'
SAMPLES = {one.name: one for one in PUBLISHED}
TOPIC = SAMPLES["sns-text"].payload["TopicArn"]


def settings(*rows: dict[str, Any], **environment: str) -> Settings:
    return Settings.of({"signed": list(rows)}, {"A": "first secret", "B": "second secret", **environment})


def digits(secret: str, said: bytes) -> str:
    """As every sender makes them."""
    return hmac.new(secret.encode(), said, sha256).hexdigest()


# -- an HMAC in a header


def test_sentry_signs_with_its_client_secret() -> None:
    """https://docs.sentry.io/organization/integrations/integration-platform/webhooks/#sentry-hook-signature."""
    how = settings({"format": "sentry", "secrets": ["env:A", "env:B"]}).signed["sentry"]
    for secret in ("first secret", "second secret"):  # either, while one is exchanged
        how.check({"sentry-hook-signature": digits(secret, BODY)}, BODY, NOW)
    for given in ("", "0" * 64, digits("first secret", BODY + b" "), digits("third", BODY), "é" * 64):
        with pytest.raises(Unsigned, match="sentry-hook-signature: no signature fits; use the same secret"):
            how.check({"sentry-hook-signature": given}, BODY, NOW)
    with pytest.raises(Unsigned, match="sentry-hook-signature: expected a signature, got nothing; set the secret"):
        how.check({}, BODY, NOW)


def test_grafana_signs_the_body_or_the_time_and_the_body() -> None:
    """https://github.com/grafana/alerting, http/hmac.go: with a time header it is `SECONDS:BODY`."""
    plain = settings({"format": "grafana", "secrets": ["env:A"]}).signed["grafana"]
    plain.check({"x-grafana-alerting-signature": digits("first secret", BODY)}, BODY, NOW)
    timed = settings(
        {"format": "grafana", "secrets": ["env:A"], "header": "X-Signature", "timestamp_header": "X-Signed-At"}
    ).signed["grafana"]

    def sent(at: float) -> dict[str, str]:
        return {"x-signed-at": f"{at:.0f}", "x-signature": digits("first secret", f"{at:.0f}:".encode() + BODY)}

    timed.check(sent(NOW - TOLERANCE), BODY, NOW)
    with pytest.raises(Unsigned, match="x-signed-at: 301 s old, at most 300; look at the clocks"):
        timed.check(sent(NOW - TOLERANCE - 1), BODY, NOW)
    with pytest.raises(Unsigned, match="x-signature: no signature fits"):
        timed.check(sent(NOW) | {"x-signed-at": f"{NOW + 1:.0f}"}, BODY, NOW)
    for at in ("", "yesterday", "1e9", "9" * 400):
        with pytest.raises(Unsigned, match="x-signed-at: expected seconds since the epoch"):
            timed.check(sent(NOW) | {"x-signed-at": at}, BODY, NOW)


def test_any_format_may_be_signed_so() -> None:
    """With a prefix before the digits, as many write it; also a format of one's own."""
    table = {"signed": [{"format": "own", "secrets": ["env:A"], "header": "X-Hub-Signature-256", "prefix": "sha256="}]}
    how = Settings.of(table | {"formats": {"own": {"summary": "a"}}}, {"A": "s"}).signed["own"]
    how.check({"x-hub-signature-256": "sha256=" + digits("s", BODY)}, BODY, NOW)


# -- Amazon SNS

Sign = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def sns(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sign]:
    """A certificate as Amazon's, and what signs messages with its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 — an extra
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=4000))
    path = tmp_path_factory.mktemp("sns") / "sns.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def signed(raw: dict[str, Any], version: str = "1", **change: Any) -> dict[str, Any]:
        notes = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        asks = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        names = notes if raw["Type"] == "Notification" else asks
        said = "".join(f"{one}\n{raw[one]}\n" for one in names if one in raw)
        digest = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = base64.b64encode(key.sign(said.encode(), padding.PKCS1v15(), digest)).decode()
        return raw | {"SignatureVersion": version, "Signature": signature} | change

    return path, signed


def pinned(path: Path, *topics: str) -> Any:
    row = {"format": "cloudwatch", "certificates": [str(path)], "topics": [*topics] or [TOPIC]}
    return settings(row).signed["cloudwatch"]


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("name", ["sns-text", "sns-subscription", "sns-unsubscribed", "cloudwatch-alarm"])
def test_sns_signs_all_its_messages(sns: tuple[Path, Sign], name: str, version: str) -> None:
    """With SHA-1 and SHA-256, with a subject and without one; a changed message is refused."""
    path, signed = sns
    how, raw = pinned(path), SAMPLES[name].payload
    how.check({}, orjson.dumps(signed(raw, version)), NOW)
    how.check({}, orjson.dumps(signed({key: raw[key] for key in raw if key != "Subject"}, version)), NOW)
    for key in ("Message", "MessageId", "Timestamp", "Subject", "SubscribeURL", "Token"):
        if key in raw:
            with pytest.raises(Unsigned, match=r"\$\.Signature: of no pinned certificate; if 'https://sns\."):
                how.check({}, orjson.dumps(signed(raw, version, **{key: raw[key] + "x"})), NOW)
    other = {"1": "2", "2": "1"}[version]
    with pytest.raises(Unsigned, match="of no pinned certificate"):
        how.check({}, orjson.dumps(signed(raw, version) | {"SignatureVersion": other}), NOW)


def test_sns_is_refused_with_place_and_remedy(sns: tuple[Path, Sign]) -> None:
    """Nothing that a message says is fetched, and a signature of Amazon's for somebody else's topic is not enough."""
    path, signed = sns
    how, raw = pinned(path), SAMPLES["sns-text"].payload
    cases: list[tuple[Any, str]] = [
        (b"{", r"\$\.Signature: expected what SNS posts"),
        ({"AlarmName": "raw delivery"}, r"\$\.Signature: expected what SNS posts; switch raw message delivery off"),
        (signed(raw, Signature="%"), r"\$\.Signature: expected base64"),
        (signed(raw, Signature=7), r"\$\.Signature: expected base64"),
        (signed(raw, SignatureVersion="3"), r"\$\.SignatureVersion: expected 1 or 2, got '3'"),
        (signed(raw | {"TopicArn": "arn:x"}), r"\$\.TopicArn: 'arn:x' is not among `topics`; add it if it is yours"),
        (signed(raw | {"TopicArn": "x"}, TopicArn=[TOPIC]), r"\$\.TopicArn: .* is not among `topics`"),
        (signed(raw, Message=7), r"\$\.Message: expected a text"),
    ]
    for body, told in cases:
        with pytest.raises(Unsigned, match=told):
            how.check({}, body if isinstance(body, bytes) else orjson.dumps(body), NOW)
    with pytest.raises(Unsigned, match=r"of no pinned certificate \(not valid now: sns\.pem\)"):
        how.check({}, orjson.dumps(signed(raw)), NOW - 3 * 86_400)


def test_the_command_to_confirm_is_amazons_or_there_is_none() -> None:
    """What a person is told to run leads to SNS, and holds nothing that a shell would read."""
    raw = SAMPLES["sns-subscription"].payload
    for address, there in [
        (raw["SubscribeURL"], True),
        ("https://sns.cn-north-1.amazonaws.com.cn/?Action=ConfirmSubscription&Token=1", True),
        ("http://sns.eu-north-1.amazonaws.com/?Action=ConfirmSubscription", False),
        ("https://sns.eu-north-1.amazonaws.com.example/?Action=ConfirmSubscription", False),
        ("https://sns.eu-north-1.amazonaws.com@example.com/?Action=x", False),
        ("https://sns.eu-north-1.amazonaws.com/?'; rm -rf x; '", False),
        ("https://sns.eu-north-1.amazonaws.com/?$(id)", False),
        ("https://sns.eu-north-1.amazonaws.com/?a\n", False),
        ("https://sns.eu-north-1.amazonaws.com/?" + "a" * 2000, False),
    ]:
        (event,) = FORMATS["cloudwatch"](orjson.dumps(raw | {"SubscribeURL": address}), {}, NOW)
        assert isinstance(event, dict)
        assert event["details"].get("confirm") == (f"curl -fsS '{address}'" if there else None)
        assert ("run details.confirm" in event["summary"]) is there
        assert ("not Amazon's: leave it" in event["summary"]) is not there


# -- on a service


def test_a_signature_stands_for_a_token(tmp_path: Path) -> None:
    """At the doors of its format alone, also on the short way; and there a token does not stand for it."""
    table = f"[[service.tokens]]\nname = 'x'\nrights = ['ingest']\nsha256 = '{sha256(b'tok').hexdigest()}'\n"
    table += "[[service.signed]]\nformat = 'sentry'\nsecrets = ['env:SENTRY_SECRET']\n"
    one = SAMPLES["sentry-issue-created"]
    body = orjson.dumps(one.payload)
    with Live(tmp_path / "state", table, SENTRY_SECRET="client secret") as live:
        signed = {"Sentry-Hook-Signature": digits("client secret", body), "Request-ID": "r1", **one.headers}
        seqs = [live.ask("POST", "/v1/webhooks/sentry", body, **signed) for _ in range(3)]  # the last two are known
        assert [(answer.status, answer.json["seq"]) for answer in seqs] == [(202, 1)] * 3
        for headers in (one.headers, signed | {"Sentry-Hook-Signature": "0" * 64}, {"Authorization": "Bearer tok"}):
            refused = live.ask("POST", "/v1/webhooks/sentry", body, **headers)
            assert refused.status == 401
            assert refused.json["error"].startswith("sentry-hook-signature: ")
        assert live.ask("POST", "/v1/webhooks/grafana", body, **signed).status == 401
        assert [line["door"] for line in live.logs() if line["say"] == "denied"] == ["sentry"] * 3 + ["grafana"]
        assert "client secret" not in live.said()
        assert live.stop() == 0


def test_a_secret_is_exchanged_without_a_restart(tmp_path: Path) -> None:
    """SIGHUP reads it again."""
    secret = tmp_path / "secret"
    secret.write_text("old one\n")
    table = f"[[service.signed]]\nformat = 'grafana'\nsecrets = ['file:{secret}']\n"
    body = orjson.dumps(SAMPLES["grafana"].payload)
    with Live(tmp_path / "state", table) as live:

        def status(by: str) -> int:
            signature = {"X-Grafana-Alerting-Signature": digits(by, body)}
            return live.ask("POST", "/v1/webhooks/grafana", body, **signature).status

        assert [status("old one"), status("new one")] == [202, 401]
        secret.write_text("new one\n")
        live.process.send_signal(signal.SIGHUP)
        until(lambda: any(line["say"] == "reloaded" for line in live.logs()))
        assert [status("old one"), status("new one")] == [401, 202]


def test_tokens_are_taken_as_grafana_and_datadog_can_send_them(tmp_path: Path) -> None:
    """Basic authentication, a header with or without a scheme of one's own, and the address."""
    table = f"[[service.tokens]]\nname = 'x'\nrights = ['ingest']\nsha256 = '{sha256(b'tok').hexdigest()}'\n"
    with Live(tmp_path / "state", table) as live:

        def status(path: str = "", **headers: str) -> int:
            body = orjson.dumps(SAMPLES["grafana"].payload)
            return live.ask("POST", f"/v1/webhooks/grafana{path}", body, **headers).status

        basic = base64.b64encode(b"anybody:tok").decode()
        assert [
            status(Authorization=f"Basic {basic}"),
            status(Authorization="Bearer tok"),
            status("?token=tok"),
            status(Authorization="Bearer toc"),
            status(),
        ] == [202, 202, 202, 401, 401]


# -- the configuration


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"format": "nagios"}, r"service\.signed\[0\]\.format: expected one of canonical, .*, got 'nagios'"),
        ({"format": "sentry"}, r"service\.signed\[0\]\.secrets: expected a list of texts, got None"),
        ({"format": "sentry", "secrets": ["plain"]}, r"secrets\[0\]: expected env:NAME or file:PATH"),
        ({"format": "sentry", "secrets": ["env:C"]}, r"secrets\[0\]: env:C: nothing readable in it"),
        ({"format": "datadog", "secrets": ["env:A"]}, r"header: expected the name of a header, got None"),
        ({"format": "sentry", "topics": ["x"]}, r"topics: no such setting for sentry; there are: format, secrets"),
        ({"format": "cloudwatch", "topics": ["x"]}, r"certificates: expected a list of texts, got None"),
        ({"format": "cloudwatch", "certificates": [__file__]}, r"\.topics: expected a list of texts, got None"),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(row: dict[str, Any], told: str) -> None:
    with pytest.raises(BadConfig, match=told):
        settings(row)


def test_a_certificate_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    path = tmp_path / "x.pem"
    path.write_bytes(b"no certificate")
    for file in (path, tmp_path / "missing.pem"):
        with pytest.raises(BadConfig, match=r"certificates\[0\]: .*\.pem: .*; give a PEM file that can be read"):
            pinned(file)


def test_the_check_of_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    """It says which formats have to be signed, and by which header."""
    config = tmp_path / "c.toml"
    config.write_text("[[service.signed]]\nformat = 'sentry'\nsecrets = ['env:S']\n")
    found = grouping("config", "check", config, S="not to be shown")
    assert found.returncode == 0
    assert b"service.signed: sentry: " in found.stdout
    assert b"not to be shown" not in found.stdout + found.stderr


def test_the_time_of_a_check_is_that_of_the_service() -> None:
    """A time header made now is fresh."""
    how = settings({"format": "grafana", "secrets": ["env:A"], "timestamp_header": "T"}).signed["grafana"]
    at = f"{time.time():.0f}"
    signed = digits("first secret", f"{at}:".encode() + BODY)
    how.check({"t": at, "x-grafana-alerting-signature": signed}, BODY, time.time())
