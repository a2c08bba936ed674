"""When the served certificate runs out is told, and a file that is none stops nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deployments.certificate import tell_certificate
from proctor.settings import Settings
from tests.fakes.metrics import FakeMetrics

ENDS = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
NAME = ("certificate_expires_at_seconds", ())


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "exam.example")])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(ENDS - timedelta(days=90))
        .not_valid_after(ENDS)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def told(certificate: Path | None) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    metrics = FakeMetrics()
    tell_certificate(Settings(tls_certificate=certificate), metrics)
    return metrics.gauges


def test_its_end_is_told(tmp_path: Path) -> None:
    assert told(certificate(tmp_path)) == {NAME: ENDS.timestamp()}


def test_what_is_no_certificate_or_not_there_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    assert told(tmp_path / "wrong.pem") == told(tmp_path / "absent.pem") == told(None) == {}
