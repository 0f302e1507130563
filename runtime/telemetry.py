"""Traces across processes (W3C trace context in message headers) and a few metric constructors.

Only the OpenTelemetry API is imported: without an SDK its spans cost nothing and carry no ids.
"""

import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("soulcaster")

HANDLED = Counter("soulcaster_messages_total", "Messages handled, by outcome", ["consumer", "outcome"])
HANDLE_SECONDS = Histogram("soulcaster_handle_seconds", "Seconds from delivery to answer", ["consumer"])
PUBLISH_RETRIES = Counter("soulcaster_publish_retries_total", "Publishes that had to be repeated", ["stream"])
RECONNECTS = Counter("soulcaster_reconnects_total", "Connections to the broker that were lost and made again")
FOLLOWERS = Gauge("soulcaster_followers", "Ordered followers open now", ["stream"])


def inject(headers: MutableMapping[str, str]) -> None:
    """Add ``traceparent`` when a span is active, else nothing."""
    if trace.get_current_span() is not trace.INVALID_SPAN:  # the propagator alone would cost more than the rest
        _PROPAGATOR.inject(headers)


@contextmanager
def received(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Run the block inside a consumer span that continues the trace found in ``headers``."""
    if not _enabled() and "traceparent" not in headers:
        yield
        return
    token = context.attach(_PROPAGATOR.extract(headers))
    try:
        with _TRACER.start_as_current_span(name, kind=SpanKind.CONSUMER):
            yield
    finally:
        context.detach(token)


def configure(service: str) -> bool:
    """Export spans when OTEL_EXPORTER_OTLP_ENDPOINT is set and an exporter is installed; says whether it does.

    The SDK and the exporter are imported only then: they cost about 20 MB of memory.
    """
    if not _enabled():
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
            OTLPSpanExporter,
        )
    except ImportError:
        return False
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


def _enabled() -> bool:
    return bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
