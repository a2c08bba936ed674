"""Tells when the certificate that is served runs out."""

import structlog

from proctor.ports import Metrics
from proctor.settings import Settings

log = structlog.get_logger(__name__)


def tell_certificate(settings: Settings, metrics: Metrics) -> None:
    """Tell it from the file that the doors were opened with; nothing where a proxy has the certificate.

    Of a chain the first certificate is ours. One that cannot be read is left to the door to refuse.
    """
    if settings.tls_certificate is None:
        return
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())
    except (OSError, ValueError) as error:
        log.warning("the certificate cannot be read", error=type(error).__name__)
        return
    metrics.gauge("certificate_expires_at_seconds", found[0].not_valid_after_utc.timestamp())
