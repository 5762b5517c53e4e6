"""What is asked over HTTP."""

from __future__ import annotations

from controller.http.base import DownloadBroken, RequestFailed, RequestRefused, RequestServed
from controller.http.tls import CertificateChanged, CertificateRefused
from controller.metrics.registry import LATENCIES, Metric, Names, On, counter, histogram

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
CLASSES = ("2xx", "3xx", "4xx", "5xx")


def http(_names: Names) -> tuple[Metric, ...]:
    """Return the families."""
    return (
        counter(
            "http_requests_total",
            "HTTP requests answered.",
            On(RequestServed, lambda event: (event.method, f"{event.status // 100}xx")),
            labels={"method": METHODS, "status": CLASSES},
        ),
        histogram(
            "http_request_duration_seconds",
            "Time to answer an HTTP request, downloads included.",
            On(RequestServed, amount=lambda event: event.duration),
            buckets=LATENCIES,
        ),
        counter("http_requests_failed_total", "HTTP requests whose handler raised.", On(RequestFailed)),
        counter("http_requests_refused_total", "Connections that sent no readable HTTP request.", On(RequestRefused)),
        counter("downloads_broken_total", "Downloads that ended early or could not be opened.", On(DownloadBroken)),
        counter("certificates_changed_total", "New TLS certificates that are used now.", On(CertificateChanged)),
        counter(
            "certificates_refused_total",
            "New TLS certificates that cannot be used; the one before is used on.",
            On(CertificateRefused),
        ),
    )
