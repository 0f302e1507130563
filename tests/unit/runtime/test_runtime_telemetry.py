"""Trace context travels in message headers; without a span nothing is added."""

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from runtime import telemetry

PARENT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=False, trace_flags=TraceFlags(1))
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_nothing_is_added_without_a_span() -> None:
    headers: dict[str, str] = {}
    telemetry.inject(headers)
    assert headers == {}


def test_the_active_span_travels_as_traceparent() -> None:
    headers: dict[str, str] = {}
    with trace.use_span(NonRecordingSpan(PARENT)):
        telemetry.inject(headers)
    assert headers["traceparent"] == TRACEPARENT


def test_what_a_handler_publishes_continues_the_trace_it_was_called_with() -> None:
    headers: dict[str, str] = {}
    with telemetry.received("planner handle", {"traceparent": TRACEPARENT}):
        telemetry.inject(headers)
    assert headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]
    after: dict[str, str] = {}
    telemetry.inject(after)
    assert after == {}
