"""Credentials in all their forms, in both colours."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import httpx
import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from pydantic import SecretStr

from azureai_core import AuthenticationError, ConfigurationError, InferenceClient
from fakes import Reply, chat

HI = {"messages": [{"role": "user", "content": "hi"}]}
FAR = 4_000_000_000


class Tokens:
    """A sync token credential that counts."""

    def __init__(self, expires_on=FAR):
        self.asked = []
        self.expires_on = expires_on

    def get_token(self, *scopes, **options):
        self.asked.append(scopes)
        return AccessToken(f"token-{len(self.asked)}", self.expires_on)


class AsyncTokens(Tokens):
    """The same, async."""

    async def get_token(self, *scopes, **options):
        await asyncio.sleep(0)
        return super().get_token(*scopes)


@pytest.mark.parametrize("wrap", [str, SecretStr, AzureKeyCredential, lambda key: f" {key}\n"])
def test_a_key_in_all_its_forms(wrap, fake_service, make_client, mode):
    """A string, a `SecretStr`, an object with `.key`; blanks around it go."""
    fake_service.plays(mode.reply())

    mode.ask(make_client(credential=wrap("the-key")))

    assert fake_service.last.header("api-key") == "the-key"
    assert fake_service.last.header("authorization") == "Bearer the-key"


def test_a_key_that_is_exchanged_counts_at_once(fake_service, make_client, colour):
    """`AzureKeyCredential.update` rotates the key of clients in use."""
    credential = AzureKeyCredential("old")
    client = make_client(credential=credential)
    colour.call(client, "complete", HI)
    credential.update("new")
    colour.call(client, "complete", HI)

    assert [r.header("api-key") for r in fake_service.requests] == ["old", "new"]


def _function():
    return "token-1"


async def _async_function():
    return "token-1"


def _access_token():
    return AccessToken("token-1", FAR)


class _Callable:
    async def __call__(self):
        return "token-1"


@pytest.mark.parametrize(
    "make",
    [
        Tokens,
        AsyncTokens,
        lambda: _function,
        lambda: _async_function,
        lambda: _access_token,
        lambda: partial(_async_function),
        _Callable,
    ],
    ids=["sync", "async", "function", "async function", "access token", "partial", "callable object"],
)
def test_a_token_in_all_its_forms(make, fake_service, make_client, mode):
    """Each works from sync and from async code; only `Authorization` is sent."""
    fake_service.plays(mode.reply())

    mode.ask(make_client(credential=make(), allow_http_token=True))

    assert fake_service.last.header("authorization") == "Bearer token-1"
    assert fake_service.last.header("api-key") is None


@pytest.mark.parametrize("kind", [Tokens, AsyncTokens])
def test_a_token_is_kept_until_shortly_before_it_expires(kind, fake_service, make_client, colour):
    """Kept while more than five minutes are left; else fetched anew."""
    fresh, stale = kind(time.time() + 400), kind(time.time() + 200)
    for credential in (fresh, stale):
        client = make_client(credential=credential, allow_http_token=True)
        colour.call(client, "complete", HI)
        colour.call(client, "complete", HI)

    assert (len(fresh.asked), len(stale.asked)) == (1, 2)
    assert fake_service.last.header("authorization") == "Bearer token-2"


@pytest.mark.parametrize(
    ("path", "scopes", "asked"),
    [
        ("/serverless/m", None, ("https://ml.azure.com/.default",)),
        ("/models", None, ("https://cognitiveservices.azure.com/.default",)),
        ("/openai/deployments/d", None, ("https://cognitiveservices.azure.com/.default",)),
        ("/openai/v1", "https://own/.default", ("https://own/.default",)),
        ("/models", ["https://a/.default", "https://b/.default"], ("https://a/.default", "https://b/.default")),
    ],
)
def test_the_scope_follows_the_kind(path, scopes, asked, make_client, colour):
    """Unless the caller says otherwise."""
    credential = Tokens()
    client = make_client(path, model="m", credential=credential, credential_scopes=scopes, allow_http_token=True)

    colour.call(client, "complete", HI)

    assert credential.asked == [asked]


def test_an_endpoint_without_a_scope_asks_for_one(make_client):
    """GitHub and other servers have none of their own."""
    with pytest.raises(ConfigurationError, match="credential_scopes="):
        make_client("/v1", model="m", credential=Tokens(), allow_http_token=True).complete(HI)


@pytest.mark.parametrize("credential", [Tokens(), AsyncTokens(), _function])
def test_a_token_does_not_travel_over_plain_http(credential):
    """Refused before any request; this machine is an exception only on request."""
    with pytest.raises(ConfigurationError, match="use https://"):
        InferenceClient("http://example.com", credential)
    with pytest.raises(ConfigurationError, match="use https://"):
        InferenceClient("http://example.com", credential, allow_http_token=True)
    with pytest.raises(ConfigurationError, match="allow_http_token=True"):
        InferenceClient("http://127.0.0.1:1", credential)
    InferenceClient("http://127.0.0.1:1", credential, allow_http_token=True)


def test_many_tasks_wait_for_one_fetch(fake_service, make_client):
    """A hundred calls at once ask for one token, and the event loop goes on while a sync credential blocks."""
    release, ticks = threading.Event(), []

    class Slow(Tokens):
        def get_token(self, *scopes, **options):
            assert release.wait(10)
            return super().get_token(*scopes)

    credential = Slow()
    client = make_client(credential=credential, allow_http_token=True)

    async def run():
        calls = [asyncio.ensure_future(client.acomplete(HI)) for _ in range(100)]
        for n in range(3):
            await asyncio.sleep(0)
            ticks.append(n)
        calls[0].cancel()
        release.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    first, *others = asyncio.run(run())

    assert ticks == [0, 1, 2]
    assert isinstance(first, asyncio.CancelledError)
    assert [answer.content for answer in others] == ["Hello"] * 99
    assert len(credential.asked) == 1


@pytest.mark.parametrize("kind", [Tokens, AsyncTokens])
def test_many_threads_wait_for_one_fetch(kind, fake_service, make_client):
    """The first one fetches, the others use it."""
    credential = kind()
    client = make_client(credential=credential, allow_http_token=True)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: client.complete(HI), range(64)))

    assert len(credential.asked) == 1


def test_a_loop_that_is_gone_is_not_kept(make_client, fake_service):
    """The token's bookkeeping holds no event loop alive."""
    client = make_client(credential=Tokens(time.time() + 200), allow_http_token=True)
    loops = []

    async def run():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.acomplete(HI)

    asyncio.run(run())
    asyncio.run(run())
    asyncio.run(run())
    gc.collect()

    assert loops[0]() is None


@pytest.mark.parametrize("token", [None, 7, "", "two words", "line\nbreak", SimpleNamespace(token=None), "ключ"])
def test_what_is_no_token_is_refused(token, make_client, colour):
    """Before the HTTP library would print it in an error of its own."""
    client = make_client(credential=lambda: token, allow_http_token=True)

    with pytest.raises(ConfigurationError, match="not a token") as caught:
        colour.call(client, "complete", HI)

    assert "line" not in str(caught.value)


def test_an_error_of_the_credential_is_its_own(make_client, colour, fake_service):
    """It says what to do; the next call asks again."""
    answers = [ValueError("az login"), None]

    def fetch():
        if (error := answers.pop(0)) is not None:
            raise error
        return "token"

    client = make_client(credential=fetch, allow_http_token=True)
    with pytest.raises(ConfigurationError, match=r"gave no token: ValueError: az login.*credential_scopes=") as caught:
        colour.call(client, "complete", HI)
    assert isinstance(caught.value.__cause__, ValueError)

    assert colour.call(client, "complete", HI).content == "Hello"


@pytest.mark.parametrize("credential", ["", "  ", "two words", "a\nb", "ключ", SecretStr("")])
def test_what_is_no_key_is_refused(credential):
    """An empty string is not "not given"."""
    with pytest.raises(ConfigurationError, match="pass the key as it is"):
        InferenceClient("https://h.r.models.ai.azure.com", credential)


def test_an_unknown_form_is_refused():
    """With the forms that are known."""
    with pytest.raises(ConfigurationError, match=r"The credential is object: .*SecretStr"):
        InferenceClient("https://h.r.models.ai.azure.com", object())


@pytest.mark.parametrize("found", [None, ModuleNotFoundError("azure")])
def test_no_credential_at_all(found, monkeypatch):
    """Without azure-identity: an error with the three ways out."""

    def find(name):
        if found is not None:
            raise found

    monkeypatch.setattr("azureai_core.transport.auth.find_spec", find)

    with pytest.raises(ConfigurationError, match=r"credential=.*AZURE_INFERENCE_CREDENTIAL.*\[identity\]"):
        InferenceClient("https://h.r.models.ai.azure.com")


def test_the_default_credential_is_made_on_first_use(fake_service, monkeypatch, clock):
    """Not in the constructor: loading azure-identity costs."""
    made = []

    class Default(Tokens):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr("azureai_core.transport.auth.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "azure.identity", SimpleNamespace(DefaultAzureCredential=Default))
    client = InferenceClient(fake_service.url, allow_http_token=True)
    assert made == []
    fake_service.plays(chat())

    with client:
        client.complete(HI)

    assert made[0].asked == [("https://ml.azure.com/.default",)]


def test_a_token_with_its_scheme(fake_service, make_client, colour):
    """Some providers give the whole header value."""
    client = make_client(credential=lambda: "Bearer abc", allow_http_token=True)

    assert colour.call(client, "complete", HI).content == "Hello"
    assert fake_service.last.header("authorization") == "Bearer abc"


def test_an_expiry_that_is_no_number(make_client, colour):
    """The error shows it."""
    client = make_client(credential=lambda: SimpleNamespace(token="t", expires_on="soon"), allow_http_token=True)

    with pytest.raises(ConfigurationError, match=r"expires_on is 'soon'"):
        colour.call(client, "complete", HI)


@pytest.mark.parametrize("credential", [Tokens, AsyncTokens, AzureKeyCredential, SecretStr])
def test_a_class_is_no_credential(credential):
    """The parentheses are easily forgotten."""
    with pytest.raises(ConfigurationError, match=rf"is the class {credential.__name__}: pass an instance"):
        InferenceClient("https://h.r.models.ai.azure.com", credential)


def test_a_failure_that_nobody_waits_for_is_not_logged(make_client, caplog):
    """The only caller was cancelled while its token was being fetched."""

    async def run():
        failing = asyncio.Event()

        async def fetch():
            failing.set()
            await asyncio.sleep(0.01)
            raise ValueError("gone")

        client = make_client(credential=fetch, allow_http_token=True)
        asking = asyncio.ensure_future(client.acomplete(HI))
        await failing.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.05)
        gc.collect()

    asyncio.run(run())
    assert "never retrieved" not in caplog.text


def test_a_credential_of_the_callers_own_client_wins(fake_service):
    """Its headers are for a gateway; ours must not replace them."""
    with httpx.Client(headers={"Authorization": "Bearer gateway"}) as http_client:
        InferenceClient(fake_service.url, "key", http_client=http_client).complete({"messages": []})

    sent = dict(fake_service.last.headers)
    assert {name.lower(): value for name, value in sent.items()}["authorization"] == "Bearer gateway"


def _unless(token):
    """Answers all but the requests with a token that was revoked."""
    return lambda r: Reply(401, {"message": "revoked"}) if r.header("authorization") == f"Bearer {token}" else chat()


@pytest.mark.parametrize("kind", [Tokens, AsyncTokens])
def test_a_revoked_token_is_exchanged(kind, fake_service, make_client, colour):
    """A kept one that is refused before its time: fetched anew, once, and the call sent again."""
    tokens = kind()
    client = make_client(credential=tokens, allow_http_token=True)
    colour.call(client, "complete", HI)
    fake_service.answer = _unless("token-1")

    assert colour.call(client, "complete", HI).content == "Hello"
    colour.call(client, "complete", HI)

    assert len(tokens.asked) == 2
    assert [r.header("authorization") for r in fake_service.requests[1:]] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]


def test_a_new_token_that_is_refused_is_an_error(fake_service, make_client, mode):
    """At once; the next call fetches another."""
    tokens = Tokens()
    client = make_client(credential=tokens, allow_http_token=True)
    fake_service.default = Reply(401, {"message": "no role"})
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            mode.ask(client)

    assert len(tokens.asked) == len(fake_service.requests) == 2


def test_a_call_that_is_sent_once_is_sent_once(fake_service, make_client, colour):
    """`negotiate=False` shows the service's own answer; the token is forgotten all the same."""
    client = make_client(credential=Tokens(), allow_http_token=True, negotiate=False)
    colour.call(client, "complete", HI)
    fake_service.answer = _unless("token-1")

    with pytest.raises(AuthenticationError):
        colour.call(client, "complete", HI)

    assert colour.call(client, "complete", HI).content == "Hello"


def test_no_token_is_fetched_where_the_caller_gave_one(fake_service, make_client, colour):
    """In a header of theirs; refused, it is not replaced."""
    tokens = Tokens()
    client = make_client(credential=tokens, allow_http_token=True, headers={"Authorization": "Bearer mine"})
    fake_service.default = Reply(401, {"message": "no"})

    with pytest.raises(AuthenticationError):
        colour.call(client, "complete", HI)

    assert tokens.asked == []
    assert [r.header("authorization") for r in fake_service.requests] == ["Bearer mine"]
