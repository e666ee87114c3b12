"""A planted key and token appear in no text, also where the service gives them back."""

from __future__ import annotations

import logging
import pickle
import traceback
import warnings
from functools import partial
from itertools import product
from urllib.parse import quote

import httpx
import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from azureai_core import (
    APIStatusError,
    AzureAIError,
    ConfigurationError,
    InferenceClient,
    RetryPolicy,
    error_from_response,
)
from azureai_core import telemetry as _telemetry
from azureai_core.masking import mask
from fakes import CUT, HANG, RESET, Reply, delta, events, frame

CANARY = 'canary"\\0123456789'
"""With characters that JSON spells in another way."""
PAYLOAD = {"messages": [{"role": "user", "content": "hi"}], "seed": 1}


class Watch(logging.Handler):
    """Every text that leaves the process by another way than the wire."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []
        self.spans = InMemorySpanExporter()
        self.tracer = TracerProvider()
        self.tracer.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meter = MeterProvider([self.reader])

    def emit(self, record):
        if "receive_response_headers" not in record.getMessage():  # what the service itself sent, logged by httpcore
            self.texts.append(f"{record.getMessage()} {record.args!r}")

    def all(self):
        spans = [
            f"{s.name} {dict(s.attributes)} {s.status.description} {s.events}" for s in self.spans.get_finished_spans()
        ]
        return [*self.texts, *spans, str(self.reader.get_metrics_data())]


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    root = logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    monkeypatch.setattr(trace, "get_tracer", watch.tracer.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", watch.meter.get_meter)
    monkeypatch.setenv("AZUREAI_LOG_BODIES", "true")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    _telemetry._instruments.cache_clear()
    yield watch
    _telemetry._instruments.cache_clear()
    root.removeHandler(watch)
    root.setLevel(level)
    watch.meter.shutdown()
    watch.tracer.shutdown()


ECHO = f"bad credential {CANARY} was given"
BROKEN = b"HTTP/1.1 200 OK\r\n" + CANARY.encode() + b"\r\n\r\n"
REPLIES = {
    "401": Reply(401, {"error": {"message": ECHO, "code": CANARY, CANARY: 1}}, {"x-echo": CANARY}),
    "422": Reply(422, {"detail": [{"loc": ["body", "seed"], "msg": ECHO, "input": CANARY}]}, {"x-request-id": CANARY}),
    "text": Reply(500, ECHO),
    "bytes": Reply(500, b"\xff" + ECHO.encode("utf-16")),
    "no answer": Reply(200, ECHO),
    "wrong object": Reply(200, {"message": ECHO}),
    "frame": events(delta("a"), frame({"error": {"message": ECHO, "code": CANARY}})),
    "filter frame": events(delta("a"), frame({"error": {"message": ECHO, "code": "content_filter"}})),
    "bad frame": events(delta("a"), frame(ECHO.encode())),
    "bad head": Reply(200, "", {"x": f"y\r\n{CANARY}"}),
    "cut": events(delta("a"), RESET),
    "hang": events(delta("a"), HANG),
}


# Each reply with each way of sending the credential; the other forms of it only where they could stay in sight.
FORMS = [SecretStr(CANARY), AzureKeyCredential(CANARY), "function"]
CASES = [*product(REPLIES, [CANARY, "token"]), *product(["401", "cut"], FORMS)]


@pytest.mark.parametrize(("reply", "credential"), CASES)
def test_no_text_holds_the_credential(reply, credential, watch, fake_service, make_client, mode):
    """In no repr, string, traceback, attribute, log record, span, metric, warning or pickled error."""
    fake_service.default = REPLIES[reply]
    given = (
        {"token": _Tokens(), "function": lambda: CANARY}.get(credential, credential)
        if isinstance(credential, str)
        else credential
    )
    options = {"retry": RetryPolicy(max_retries=0), "timeout": 0.1 if reply == "hang" else 30, "allow_http_token": True}
    client = make_client(credential=given, unsupported_parameters="drop", **options)

    with warnings.catch_warnings(record=True) as warned, pytest.raises(AzureAIError) as caught:  # noqa: PT012
        warnings.simplefilter("always")
        mode.ask(client, PAYLOAD)

    error = caught.value
    texts = [
        *watch.all(),
        *("".join(traceback.format_exception(e)) for e in _chain(error)),
        *(f"{e!s} {e!r} {e.args!r}" for e in _chain(error)),
        *(f"{name} {value!r}" for name, value in vars(error).items()),
        *(str(w.message) for w in warned),
        repr(client),
        str(client.endpoint),
        repr(pickle.dumps(error)),
    ]
    if (response := getattr(error, "response", None)) is not None:
        texts += [response.text, repr(response.headers.raw), repr(response.request.headers.raw), repr(response.content)]
    for spelling in (CANARY, repr(CANARY)[1:-1], CANARY.replace("\\", "\\\\").replace('"', '\\"')):
        assert [text for text in texts if spelling in text] == []
    assert any(CANARY in value for request in fake_service.requests for _, value in request.headers)


class _Tokens:
    async def get_token(self, *scopes, **options):
        return AccessToken(CANARY, 4_000_000_000)


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_header_that_names_a_credential_is_one(fake_service, make_client, mode):
    """A gateway's subscription key, echoed back."""
    fake_service.default = Reply(401, {"message": "subscription gateway-canary-1 unknown"})
    client = make_client(headers={"Ocp-Apim-Subscription-Key": "gateway-canary-1"})

    with pytest.raises(AzureAIError, match=r"subscription \*\*\* unknown") as caught:
        mode.ask(client, PAYLOAD)

    assert "gateway-canary-1" not in repr(caught.value.response.request.headers.raw)
    assert fake_service.last.header("ocp-apim-subscription-key") == "gateway-canary-1"


def test_a_query_is_not_shown(fake_service, make_client, mode):
    """It may hold a key; of it, errors name the api-version alone."""
    fake_service.default = Reply(404, "no")

    with pytest.raises(AzureAIError) as caught:
        mode.ask(make_client("/serverless/m?code=query-canary&api-version=2025-04-01"), PAYLOAD)

    assert "query-canary" not in str(caught.value) + str(caught.value.response.request.url)
    assert "/chat/completions?api-version=2025-04-01]" in str(caught.value)
    assert ("code", "query-canary") in fake_service.last.query


@pytest.mark.parametrize(("fault", "timeout"), [(CUT, 30), (HANG, 0.2)])
def test_the_cause_of_an_error_has_a_clean_request(fault, timeout, fake_service, make_client, mode):
    """httpx's own errors carry the request of the caller's client."""
    fake_service.default = Reply(fault=fault)
    own = httpx.Client() if mode.colour.name == "sync" else httpx.AsyncClient()
    name = "http_client" if mode.colour.name == "sync" else "async_http_client"
    client = make_client(**{name: own}, credential="canary-key", timeout=timeout, retry=RetryPolicy(max_retries=0))

    with pytest.raises(AzureAIError) as caught:
        mode.ask(client, PAYLOAD)

    request = caught.value.__cause__.request
    assert request.method == "POST"
    assert "canary-key" not in repr(request.headers.raw)


@pytest.mark.parametrize("spell", [quote, partial(quote, safe=""), lambda key: quote(key, safe="").lower()])
def test_a_percent_encoded_key_is_masked(spell, fake_service, make_client, mode):
    """As a gateway shows it that logs URLs."""
    key = "canary+key/0123=="
    fake_service.default = Reply(401, {"message": f"bad key {spell(key)} given"})

    with pytest.raises(AzureAIError, match=r"bad key \*\*\* given"):
        mode.ask(make_client(credential=key), PAYLOAD)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("client_secret=canary-1234 is wrong", "client_secret=*** is wrong"),
        ('{"client_secret": "canary-1234"}', '{"client_secret": "***"}'),
        ("assertion eyJhbGciOiJSUzI1NiJ9.canary.1234 expired", "assertion *** expired"),
        ("no token: run az login", "no token: run az login"),
    ],
)
def test_what_looks_like_a_secret_in_a_credentials_own_words(said, shown, make_client, colour):
    """It is masked, and the credential's error is no cause then; other words stay."""

    def fetch():
        raise ValueError(said)

    with pytest.raises(ConfigurationError) as caught:
        colour.call(make_client(credential=fetch, allow_http_token=True), "complete", PAYLOAD)

    assert f"ValueError: {shown}. Check" in str(caught.value)
    assert (caught.value.__cause__ is None) == (said != shown)


def test_a_renewed_token_does_not_uncover_the_old_one(fake_service, make_client):
    """The credential of the very request is masked, whatever token is current by now."""
    fake_service.answer = lambda request: Reply(401, {"message": f"expired: {request.header('authorization')}"})
    tokens = iter(["first-canary-token", "second-canary-token"])
    client = make_client(credential=lambda: next(tokens), allow_http_token=True)
    for _ in range(2):
        with pytest.raises(AzureAIError, match=r"expired: Bearer \*\*\*"):
            client.complete(PAYLOAD)


def test_error_from_response_needs_no_secrets():
    """The public function masks what its request carried."""
    import httpx

    request = httpx.Request("POST", "https://u:p@h/x?sig=1", headers={"api-key": "canary-key-1", "cookie": "c"})
    error = error_from_response(httpx.Response(418, json={"message": "not canary-key-1"}, request=request))

    assert str(error) == "not ***. [418 from POST https://h/x]"
    assert not {"api-key", "cookie"} & set(error.response.request.headers)


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("key", "a key is no keyboard", "a *** is no keyboard"),
        ("longer-secret", "xlonger-secretx", "x***x"),
        ("", "nothing", "nothing"),
    ],
)
def test_a_short_secret_counts_only_as_a_word(secret, text, shown):
    """So that a test key does not blank out every message."""
    assert mask(text, [secret]) == shown


def test_the_constructor_shows_nothing():
    """Neither the object nor its pickled type name it."""
    client = InferenceClient("https://h.r.models.ai.azure.com", CANARY)

    assert CANARY not in repr(client) + str(client) + f"{client}"


def test_of_the_request_only_harmless_headers_are_kept(fake_service, make_client):
    """A gateway's key may stand in any header, query parameter, or default of the caller's own client."""
    canaries = ["HEADER-CANARY-1", "QUERY-CANARY-1", "OWN-CANARY-1", "OWN-QUERY-CANARY"]
    fake_service.default = Reply(400, {"error": {"message": f"denied: {' '.join(canaries)} team-a"}})
    own = {"headers": {"x-own": "OWN-CANARY-1"}, "params": {"own": "OWN-QUERY-CANARY"}}
    with httpx.Client(**own) as client:
        made = make_client(
            "/serverless/m?sub=QUERY-CANARY-1",
            headers={"x-gateway": "HEADER-CANARY-1", "azureml-model-deployment": "blue-green"},
            http_client=client,
        )

        with pytest.raises(AzureAIError) as caught:
            made.complete(PAYLOAD)

    shown = f"{caught.value} {caught.value.response.request.headers.raw} {pickle.dumps(caught.value)}"
    assert not [canary for canary in canaries if canary in shown]
    assert "team-a" in str(caught.value)
    assert caught.value.response.request.headers["azureml-model-deployment"] == "blue-green"
    assert "x-gateway" not in caught.value.response.request.headers


def test_a_header_that_is_no_ascii(fake_service, make_client, mode):
    """The error keeps it."""
    fake_service.default = Reply(429, {"error": {"message": "slow"}}, {"x-reason": "Zu viele für Zürich"})

    with pytest.raises(APIStatusError, match="slow") as caught:
        mode.ask(make_client(max_retries=0), PAYLOAD)

    assert caught.value.response.headers["x-reason"] == "Zu viele für Zürich"
