"""Listeners get the events of each call, as from the framework; where there are none, no event is made."""

import inspect

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.base import BaseEvent
from llama_index.core.llms import ChatMessage, callbacks

from azureai_core import StreamInterruptedError
from llamaindex_azureai import AzureAI, AzureAITextCompletion

KINDS = [AzureAI, AzureAITextCompletion]
METHODS = ["chat", "complete", "stream_chat", "stream_complete"]


@pytest.fixture(params=KINDS)
def make(request, service):
    """A model of either kind; its service has one answer for each, whole and streamed."""

    def make(**options):
        return request.param(service.url + "/serverless/any", service.key, max_retries=0, **options)

    make.kind, make.is_chat = request.param, request.param is AzureAI
    return make


def _answer(service, make, method):
    """What the service says next."""
    if make.is_chat:
        service.will(service.streams("Par", "is.") if "stream" in method else service.says("Paris."))
        return
    reply = type(service.says())
    choices = [[{"index": 0, "text": "Par"}], [{"index": 0, "text": "is.", "finish_reason": "stop"}]]
    whole = {"id": "t", "choices": [{"index": 0, "text": "Paris.", "finish_reason": "stop"}]}
    frames = [{"id": "t", "choices": choice} for choice in choices]
    service.will(reply(frames=frames) if "stream" in method else reply(body=whole))


async def _call(caller, llm, method):
    """What a method gives, as a list."""
    argument = [ChatMessage(content="Hi")] if "chat" in method else "Hi"
    if "stream" in method:
        return await caller.listed(llm, method, argument)
    return [await caller(llm, method, argument)]


def _names(events, method):
    """The events of the call itself, in order; a chat that stands on a completion is one call."""
    kind = "Chat" if "chat" in method else "Completion"
    return [type(event).__name__.removeprefix(f"LLM{kind}") for event in events if "LLM" in type(event).__name__]


@pytest.mark.parametrize("method", METHODS)
async def test_a_handler_at_the_root_gets_every_response(service, make, caller, recorder, method):
    """With the messages or the prompt, and the response itself."""
    _answer(service, make, method)
    responses = await _call(caller, make(), method)

    progress = responses if "stream" in method else []
    assert _names(recorder.events, method) == ["StartEvent", *["InProgressEvent"] * len(progress), "EndEvent"]
    seen = [event.response for event in recorder.events if type(event).__name__.endswith("InProgressEvent")]
    assert seen == progress
    assert all(getattr(e, "messages", None) or e.prompt for e in recorder.events if "LLM" in type(e).__name__)


@pytest.mark.parametrize("method", METHODS)
async def test_a_handler_at_the_frameworks_own_dispatcher_gets_the_events(service, make, caller, recorder, method):
    """The events come from where the framework's own come from."""
    _answer(service, make, method)
    [handler], root = get_dispatcher().event_handlers[-1:], get_dispatcher().event_handlers
    root.remove(handler)
    try:
        get_dispatcher(callbacks.__name__).add_event_handler(handler)
        await _call(caller, make(), method)
    finally:
        get_dispatcher(callbacks.__name__).event_handlers.remove(handler)
        root.append(handler)

    assert _names(recorder.events, method)[0] == "StartEvent"
    assert _names(recorder.events, method)[-1] == "EndEvent"


@pytest.mark.parametrize("method", METHODS)
async def test_a_callback_handler_alone_gets_the_events(service, make, caller, method):
    """Also one that is added to the model's manager after the model was made, between two calls."""
    llm, counter = make(callback_manager=CallbackManager([])), TokenCountingHandler()
    for _ in range(2):
        _answer(service, make, method)
        await _call(caller, llm, method)
        llm.callback_manager.set_handlers([counter])

    assert len(counter.llm_token_counts) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_no_event_is_made_without_listeners(service, make, caller, method, monkeypatch):
    """For each token of a stream it would copy the whole list of messages."""
    llm = make()
    for name, event in list(vars(callbacks).items()):
        if isinstance(event, type) and issubclass(event, BaseEvent):
            monkeypatch.setattr(callbacks, name, None)
    _answer(service, make, method)
    responses = await _call(caller, llm, method)

    assert "Paris." in str(responses[-1])


@pytest.mark.parametrize("listening", [False, True])
async def test_a_stream_that_breaks_is_the_same_error_either_way(service, make, caller, request, listening):
    """And a listener gets it."""
    recorder = request.getfixturevalue("recorder") if listening else None
    reply = service.streams("Par")
    reply.frames, reply.done = reply.frames[:2], False
    if not make.is_chat:
        reply.frames = [{"id": "t", "choices": [{"index": 0, "text": "Par"}]}]
    service.will(reply)
    with pytest.raises(StreamInterruptedError):
        await _call(caller, make(), "stream_chat")

    assert recorder is None or "ExceptionEvent" in recorder.names()


class Limiter:
    """Counts how often it is asked."""

    count = 0

    def acquire(self, *args, **kwargs):
        self.count += 1

    async def async_acquire(self, *args, **kwargs):
        self.count += 1


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_a_rate_limiter_is_asked_once_per_call(service, make, caller, request, method, listening):
    """Whoever listens."""
    if "rate_limiter" not in make.kind.model_fields:
        pytest.skip("this version of the framework has no rate limiter")
    if listening:
        request.getfixturevalue("recorder")
    limiter = Limiter()
    _answer(service, make, method)
    await _call(caller, make(rate_limiter=limiter), method)

    assert limiter.count == 1


async def test_a_missing_callback_manager_is_made_by_the_framework(service, make, caller):
    """It takes the handlers of the framework's settings, so it is asked for those first."""
    llm = make()
    llm.callback_manager = None
    _answer(service, make, "chat")
    await _call(caller, llm, "chat")

    assert isinstance(llm.callback_manager, CallbackManager)


@pytest.mark.parametrize("method", METHODS)
def test_methods_keep_their_names_and_signatures(make, method):
    """Spans are named after them, and bind their arguments."""
    llm = make()
    for name in (method, f"a{method}"):
        found = getattr(llm, name)
        assert found.__name__ == name
        assert found.__doc__
        wanted = "messages" if "chat" in name else "args"
        assert next(iter(inspect.signature(found).parameters)) == wanted
