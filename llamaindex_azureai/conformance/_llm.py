"""Checks of a chat model: endpoints, streams, messages, usage, events, errors, secrets, copies, loops, retrieval."""
# ruff: noqa: PLR2004  expected numbers stand in the assertion

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from llama_index.core import Document, MockEmbedding, PromptTemplate, Settings, VectorStoreIndex
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    VideoBlock,
)
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import CitationQueryEngine

from ._base import Caller, Conformance, Recorder, everything_said_by, quietly, status_of
from ._replies import COMPLETION_TOKENS, PROMPT_TOKENS, Reply, chunk, completion, fails, frames, says, usage_chunk
from ._service import ScriptedService

Make = Callable[..., LLM]
USER = "Capital of France?"
PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
WAV = b64decode("UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=")
ENDPOINTS = ["chat", "stream_chat", "complete", "stream_complete"]
FILTERED = {
    "error": {
        "code": "content_filter",
        "message": "The response was filtered.",
        "innererror": {"content_filter_result": {"violence": {"filtered": True, "severity": "high"}}},
    }
}


def asked(method: str) -> Any:
    """The first argument of an endpoint: messages or a prompt."""
    return [ChatMessage(role=MessageRole.USER, content=USER)] if method.endswith("chat") else USER


def text_of(response: Any) -> str:
    """The text of a chat or completion response."""
    return (response.message.content if isinstance(response, ChatResponse) else response.text) or ""


class _Limiter:
    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  the framework's signature
        self.asked += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:  # noqa: ARG002  likewise
        self.asked += 1


class LLMConformance(Conformance):
    """What a chat model must do to be a first-class citizen of LlamaIndex."""

    has_images: ClassVar[bool] = True
    """Whether image blocks are sent."""
    has_audio: ClassVar[bool] = True
    """Whether audio blocks are sent."""
    has_documents: ClassVar[bool] = True
    """Whether a PDF in a document block is sent as a `file` part; else it must be refused."""
    has_reasoning: ClassVar[bool] = True
    """Whether the class shows the reasoning of models."""
    has_logprobs: ClassVar[bool] = True
    """Whether the class gives log probabilities in the framework's form."""
    has_retries: ClassVar[bool] = True
    """Whether the factory takes `max_retries`, the number of retries."""

    def llm(self, base_url: str, key: str, **kwargs: Any) -> LLM:
        """A model on the base URL, with the key."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, service: ScriptedService) -> Make:
        """Makes models on the scripted service."""
        return lambda **kwargs: self.llm(service.base_url(self.dialect), service.key, **kwargs)

    @pytest.fixture
    def model(self, make: Make) -> LLM:
        """A model on the scripted service."""
        return make()

    def _sent(self, service: ScriptedService, model: LLM, caller: Caller, *blocks: Any) -> Any:
        """The content that leaves for a user message of these blocks."""
        caller(model, "chat", [ChatMessage(role=MessageRole.USER, blocks=list(blocks))])
        return service.last.body["messages"][-1]["content"]

    # ------------------------------------------------------------------ endpoints (contract 1.2)

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_one_call_is_one_request(self, service: ScriptedService, model: LLM, caller: Caller, method: str) -> None:
        """Each of the eight endpoints sends the prompt once and gives the answer."""
        response = caller.collected(model, method, asked(method))

        assert text_of(response) == "Paris."
        assert len(service.requests) == 1
        assert service.last.path.partition("?")[0].endswith("/chat/completions")
        assert [(m["role"], _plain(m["content"])) for m in service.last.body["messages"]] == [("user", USER)]
        assert bool(service.last.body.get("stream")) == method.startswith("stream_")

    @pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
    def test_streams_grow(self, model: LLM, caller: Caller, method: str) -> None:
        """The deltas join to the answer, each response carries all so far, the last one is whole."""
        parts = caller.listed(model, method, asked(method))
        texts = [text_of(part) for part in parts]

        assert "".join(part.delta or "" for part in parts) == texts[-1] == "Paris."
        assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
        assert all(part.delta is not None for part in parts)

    @pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
    def test_streams_are_generators(self, model: LLM, caller: Caller, method: str) -> None:
        """The framework's decorators test for that, and send no events for other iterators."""
        stream = caller(model, method, asked(method))

        assert inspect.isasyncgen(stream) if caller.is_async else inspect.isgenerator(stream)

    def test_streams_are_not_collected_first(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """The text of several frames arrives in several responses."""
        service.will(says("One and two and three."))

        assert len([p for p in caller.listed(model, "stream_chat", asked("chat")) if p.delta]) > 2

    @pytest.mark.parametrize("method", ["complete", "stream_complete"])
    def test_the_prompt_may_be_named(self, model: LLM, caller: Caller, method: str) -> None:
        """By position or as `prompt=`."""
        assert text_of(caller.collected(model, method, prompt=USER)) == "Paris."

    def test_no_prompt_is_an_error(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """And sends nothing."""
        with pytest.raises((ValueError, TypeError), match="prompt"):
            caller(model, "complete")

        assert not service.requests

    @pytest.mark.parametrize("method", ["chat", "complete"])
    def test_async_calls_run_side_by_side(
        self, service: ScriptedService, model: LLM, runner: asyncio.Runner, method: str
    ) -> None:
        """No call waits for another one: the server answers when all have arrived."""
        service.hold(3)

        async def three() -> list[Any]:
            return await asyncio.gather(*(getattr(model, f"a{method}")(asked(method)) for _ in range(3)))

        assert [text_of(response) for response in runner.run(three())] == ["Paris."] * 3
        assert service.most_in_flight == 3

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_arguments_of_a_call_reach_the_body(
        self, service: ScriptedService, model: LLM, caller: Caller, method: str
    ) -> None:
        """Also zero, which is a value."""
        caller.collected(model, method, asked(method), temperature=0, seed=0)

        assert (service.last.body["temperature"], service.last.body["seed"]) == (0, 0)

    def test_settings_reach_the_body(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """Those of the constructor."""
        caller(make(temperature=0.25), "chat", asked("chat"))

        assert service.last.body["temperature"] == 0.25

    # ------------------------------------------------------------------ metadata (1.4)

    def test_metadata_sends_nothing(self, service: ScriptedService, model: LLM) -> None:
        """It is read before every call, also within event loops."""
        for _ in range(2):
            model.metadata  # noqa: B018
        model.to_dict()

        assert not service.all_requests

    def test_it_is_a_chat_model(self, model: LLM) -> None:
        """Else prompts lose their roles and the system message."""
        assert model.metadata.is_chat_model

    def test_the_context_window_is_not_the_default(self, model: LLM) -> None:
        """3,900 tokens would cut every retrieval into several calls."""
        assert model.metadata.context_window >= 8000

    def test_nothing_is_asked_behind_the_users_back(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """One call, one request of any kind."""
        caller(model, "chat", asked("chat"))

        assert [request.method for request in service.all_requests] == ["POST"]

    # ------------------------------------------------------------------ messages in (1.6)

    def test_roles(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """System, user and assistant stay what they are, in order."""
        roles = ["system", "user", "assistant", "user"]
        caller(model, "chat", [ChatMessage(role=role, content=role) for role in roles])
        sent = service.last.body["messages"]

        assert [(m["role"], _plain(m["content"])) for m in sent] == [(role, role) for role in roles]

    def test_all_text_blocks_are_sent(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """In order, none lost."""
        content = self._sent(service, model, caller, TextBlock(text="first"), TextBlock(text="second"))

        assert "".join(_plain(content).split()) == "firstsecond"

    def test_images_are_sent_or_refused(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """As a data URL with the image's own bytes; never dropped."""
        blocks = [TextBlock(text="What is it?"), ImageBlock(image=PNG, image_mimetype="image/png", detail="low")]
        if not self.has_images:
            self._refuses(service, model, caller, *blocks)
            return
        parts = self._sent(service, model, caller, *blocks)

        assert [part["type"] for part in parts] == ["text", "image_url"]
        assert parts[1]["image_url"]["url"] == f"data:image/png;base64,{b64encode(PNG).decode()}"
        assert parts[1]["image_url"]["detail"] == "low"

    def test_image_addresses_are_sent(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """A web address goes as it is; the service fetches it."""
        if not self.has_images:
            pytest.skip("no images")
        parts = self._sent(service, model, caller, ImageBlock(url="https://example.com/a.png"))

        assert parts[-1]["image_url"]["url"] == "https://example.com/a.png"

    def test_audio_is_sent_or_refused(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """As `input_audio`; never dropped."""
        blocks = [TextBlock(text="What is said?"), AudioBlock(audio=WAV, format="wav")]
        if not self.has_audio:
            self._refuses(service, model, caller, *blocks)
            return
        parts = self._sent(service, model, caller, *blocks)

        assert parts[-1] == {"type": "input_audio", "input_audio": {"data": b64encode(WAV).decode(), "format": "wav"}}

    def test_documents_are_sent_or_refused(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """A PDF as a `file` part; never dropped."""
        data = b"%PDF-1.4 x"
        blocks = [
            TextBlock(text="Read."),
            DocumentBlock(data=data, title="a.pdf", document_mimetype="application/pdf"),
        ]
        if not self.has_documents:
            self._refuses(service, model, caller, *blocks)
            return
        parts = self._sent(service, model, caller, *blocks)

        assert parts[-1]["type"] == "file"
        assert b64encode(data).decode() in parts[-1]["file"]["file_data"]

    def test_videos_are_not_dropped(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """The API has no place for them: an error says so."""
        self._refuses(
            service, model, caller, TextBlock(text="What?"), VideoBlock(video=b"0000", video_mimetype="video/mp4")
        )

    def _refuses(self, service: ScriptedService, model: LLM, caller: Caller, *blocks: Any) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the class raises
            self._sent(service, model, caller, *blocks)

        assert not service.requests

    def test_cache_points_are_ignored(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """They are hints to other providers; prompts written for those must work."""
        point = CachePoint(cache_control=CacheControl(type="ephemeral"))

        assert _plain(self._sent(service, model, caller, TextBlock(text="text"), point)) == "text"

    def test_citable_text_is_sent(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """With its title and source."""
        block = CitableBlock(title="Title", source="Source", content=[TextBlock(text="cited words")])
        content = _plain(self._sent(service, model, caller, block))

        assert all(word in content for word in ("Title", "Source", "cited words"))

    def test_reasoning_is_no_text_of_the_history(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """It is not repeated to the model as something that was said."""
        blocks: list[Any] = [ThinkingBlock(content="secret thought"), TextBlock(text="said")]
        history = [ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks), *asked("chat")]
        caller(model, "chat", history)

        assert _plain(service.last.body["messages"][0]["content"]) == "said"

    def test_private_keys_are_not_sent(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """The framework's memory adds a `session_id`; strict services refuse it."""
        message = ChatMessage(role=MessageRole.USER, content="hi", additional_kwargs={"session_id": "s1"})
        caller(model, "chat", [message])

        assert set(service.last.body["messages"][0]) <= {"role", "content", "name"}

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_nothing_given_is_changed(self, model: LLM, caller: Caller, method: str) -> None:
        """Neither the messages nor the options."""
        given, options = asked(method), {"stop": ["END"]}
        before = copy.deepcopy((given, options))
        caller.collected(model, method, given, **options)

        assert (given, options) == before

    # ------------------------------------------------------------------ messages out (1.7)

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_reasoning_is_shown(self, service: ScriptedService, model: LLM, caller: Caller, method: str) -> None:
        """As a block of the message, apart from the text."""
        if not self.has_reasoning:
            pytest.skip("no reasoning")
        service.will(says("Paris.", thinking="France, so Paris."))
        message = caller.collected(model, method, asked(method)).message
        thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock)]

        assert (thoughts, message.content) == (["France, so Paris."], "Paris.")

    def test_reasoning_is_streamed(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """In `thinking_delta`, where the events of agents look for it."""
        if not self.has_reasoning:
            pytest.skip("no reasoning")
        service.will(says("Paris.", thinking="France, so Paris."))
        parts = caller.listed(model, "stream_chat", asked("chat"))

        assert "".join(p.additional_kwargs.get("thinking_delta") or "" for p in parts) == "France, so Paris."

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_responses_are_json(self, model: LLM, caller: Caller, method: str) -> None:
        """Events, memories and workflows write them down."""
        response = caller.collected(model, method, asked(method))

        assert json.loads(response.model_dump_json())

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_messages_go_through_json(self, model: LLM, caller: Caller, method: str) -> None:
        """And come back the same."""
        message = caller.collected(model, method, asked(method)).message

        assert ChatMessage.model_validate_json(message.model_dump_json()) == message

    def test_logprobs(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """One list per token."""
        if not self.has_logprobs:
            pytest.skip("no logprobs")
        token = {"token": "Paris", "logprob": -0.25, "bytes": [80], "top_logprobs": []}
        token["top_logprobs"] = [{"token": "Paris", "logprob": -0.25, "bytes": [80]}]
        service.will(Reply(body=completion(says("Paris"), logprobs={"content": [token]})))
        response = caller(model, "chat", asked("chat"))

        assert [[(p.token, p.logprob) for p in per] for per in response.logprobs] == [[("Paris", -0.25)]]

    # The irregular frames that services have been seen to send.

    def test_frames_without_delta_do_no_harm(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Content-filter frames of Azure OpenAI have none, or a null."""
        odd = [chunk({"content": "Pa"}), chunk(None), {**chunk({}), "choices": [{"index": 0, "delta": None}]}]
        service.will(Reply(events=[*odd, chunk({"content": "ris."}), chunk({}, "stop"), usage_chunk()]))

        assert text_of(caller.collected(model, "stream_chat", asked("chat"))) == "Paris."

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_content_in_parts_is_text(self, service: ScriptedService, model: LLM, caller: Caller, method: str) -> None:
        """Mistral models send a list where they refer to sources."""
        parts = [{"type": "text", "text": "Par"}, {"type": "text", "text": "is."}]
        body = completion(says(""))
        body["choices"][0]["message"]["content"] = parts
        service.will(frames({"content": parts}) if method == "stream_chat" else Reply(body=body))

        assert text_of(caller.collected(model, method, asked(method))) == "Paris."

    def test_streams_as_the_standard_allows(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Comments, CR LF, no space after the colon."""
        text = json.dumps(chunk({"content": "Paris."}))
        events = [": comment\r\n\r\n", f"data:{text}\r\n\r\n", chunk({}, "stop"), usage_chunk()]
        service.will(Reply(events=events))

        assert text_of(caller.collected(model, "stream_chat", asked("chat"))) == "Paris."

    def test_line_separators_are_text(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """U+2028 and U+0085 end no line of a stream."""
        text = "a\u2028b\u0085c"
        event = f"data: {json.dumps(chunk({'content': text}), ensure_ascii=False)}\n\n"
        service.will(Reply(events=[event, chunk({}, "stop"), usage_chunk()]))

        assert text_of(caller.collected(model, "stream_chat", asked("chat"))) == text

    def test_an_empty_stream_gives_a_response(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """An agent would otherwise fail on the name of a variable."""
        service.will(frames())

        assert text_of(caller.collected(model, "stream_chat", asked("chat"))) == ""

    # ------------------------------------------------------------------ usage (1.8)

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_token_counts_are_exact(self, make: Make, caller: Caller, method: str) -> None:
        """The framework's counter has the service's numbers, once."""
        counter = TokenCountingHandler()
        caller.collected(make(callback_manager=CallbackManager([counter])), method, asked(method))

        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (
            PROMPT_TOKENS,
            COMPLETION_TOKENS,
        )

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_usage_is_in_raw(self, model: LLM, caller: Caller, method: str) -> None:
        """Where agents and tracers look for it."""
        usage = dict(caller.collected(model, method, asked(method)).raw)["usage"]

        assert (usage if isinstance(usage, dict) else usage.model_dump())["total_tokens"] == 18

    # ------------------------------------------------------------------ events (1.9)

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_one_call_is_one_event(self, model: LLM, caller: Caller, recorder: Recorder, method: str) -> None:
        """One start, one end, of the kind of the endpoint; a stream also tells its progress."""
        caller.collected(model, method, asked(method))
        kind = "LLMChat" if method.endswith("chat") else "LLMCompletion"
        names = [name for name in recorder.names("LLM") if not name.endswith("InProgressEvent")]

        assert names == [f"{kind}StartEvent", f"{kind}EndEvent"]

    @pytest.mark.parametrize("method", ENDPOINTS)
    def test_a_rate_limiter_is_asked_once(self, model: LLM, caller: Caller, method: str) -> None:
        """One request, one permit."""
        if "rate_limiter" not in type(model).model_fields:
            pytest.skip("This version of the framework has no rate limiter.")
        limiter = _Limiter()
        model.rate_limiter = limiter
        caller.collected(model, method, asked(method))

        assert limiter.asked == 1

    def test_traces_know_model_and_temperature(self, make: Make) -> None:
        """Tracers read them from the payload of events."""
        payload = make(temperature=0.25).to_payload()

        assert payload.get("temperature") == 0.25
        assert payload.get("model") or payload.get("model_name")

    def test_no_secret_in_events(
        self, service: ScriptedService, model: LLM, caller: Caller, recorder: Recorder
    ) -> None:
        """Nor in anything else that shows the object."""
        caller(model, "chat", asked("chat"))
        dicts = [str(event.model_dict) for event in recorder.events if hasattr(event, "model_dict")]

        assert dicts
        assert not [text for text in dicts if service.key in text]

    # ------------------------------------------------------------------ errors

    @pytest.mark.parametrize("method", ENDPOINTS)
    @pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
    def test_errors_tell_their_status(
        self, service: ScriptedService, make: Make, caller: Caller, method: str, status: int
    ) -> None:
        """In `status_code`, on the error or on what it was raised from, and the service's words in the text."""
        model = make(max_retries=0) if self.has_retries else make()
        service.will(*[fails(status, {"error": {"code": "bad", "message": "the reason given"}})] * 4)
        with pytest.raises(Exception) as caught:  # noqa: PT011  whatever the class raises
            caller.collected(model, method, asked(method))

        assert status_of(caught.value) == status
        assert "the reason given" in str(caught.value)

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_a_validation_error_names_the_field(
        self, service: ScriptedService, model: LLM, caller: Caller, method: str
    ) -> None:
        """The details of a 422 have no `error` object around them."""
        detail = [{"type": "extra_forbidden", "loc": ["body", "logit_bias"], "msg": "Extra inputs are not permitted"}]
        service.will(fails(422, {"detail": detail}))
        with pytest.raises(Exception, match="logit_bias"):
            caller.collected(model, method, asked(method))

    @pytest.mark.parametrize("method", ["chat", "stream_chat"])
    def test_the_content_filter_says_why(
        self, service: ScriptedService, model: LLM, caller: Caller, method: str
    ) -> None:
        """The category is reachable from the error: in its text or an attribute."""
        service.will(fails(400, FILTERED))
        with pytest.raises(Exception, match="filtered") as caught:
            caller.collected(model, method, asked(method))

        assert "violence" in everything_said_by(caught.value)

    def test_a_cut_stream_is_an_error(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Half an answer is not a whole one."""
        service.will(Reply(events=[chunk({"content": "Par"})], cut=True))
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the class raises
            caller.listed(model, "stream_chat", asked("chat"))

    def test_an_error_within_a_stream_is_an_error(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Services send one after a 200, and end the stream."""
        error = {"error": {"code": "server_error", "message": "the reason given"}}
        service.will(Reply(events=[chunk({"content": "Par"}), error]))
        with pytest.raises(Exception, match="the reason given"):
            caller.listed(model, "stream_chat", asked("chat"))

    def test_retries_are_one_plus_n(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """Neither fewer nor multiplied by another layer."""
        if not self.has_retries:
            pytest.skip("no argument for retries")
        service.will(*[fails(500, {"error": {"message": "oops"}}, retry_after="0")] * 20)
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the class raises
            caller(make(max_retries=1), "chat", asked("chat"))

        assert len(service.requests) == 2

    def test_a_stream_may_be_left_early(self, service: ScriptedService, model: LLM, runner: asyncio.Runner) -> None:
        """Nothing is left open, and the next call works."""

        async def leave() -> str:
            stream = await model.astream_chat(asked("chat"))
            await anext(stream)
            await stream.aclose()
            return text_of(await model.achat(asked("chat")))

        with quietly():
            sync = model.stream_chat(asked("chat"))
            next(sync)
            sync.close()
            assert text_of(model.chat(asked("chat"))) == "Paris."
            assert runner.run(leave()) == "Paris."
        assert len(service.requests) == 4

    # ------------------------------------------------------------------ construction, dumps, copies (1.10)

    def test_no_secret_in_dumps(self, service: ScriptedService, model: LLM) -> None:
        """Not in `to_dict`, `to_json`, `repr` or the payload of traces."""
        shown = [str(model.to_dict()), model.to_json(), repr(model), str(model), str(model.to_payload())]

        assert not [text for text in shown if service.key in text]

    def test_dict_round_trip(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """`from_dict(to_dict())` with the secret apart asks the same of the same address."""
        model = make(temperature=0.25)
        again = type(model).from_dict(json.loads(json.dumps(model.to_dict())), **{self.secret_argument: service.key})
        caller(model, "chat", asked("chat"))
        caller(again, "chat", asked("chat"))

        assert service.bodies[0] == service.bodies[1]
        assert service.requests[0].path == service.requests[1].path

    @pytest.mark.parametrize("when", ["fresh", "used"])
    def test_pickling(self, service: ScriptedService, make: Make, caller: Caller, when: str) -> None:
        """A copy in another process asks the same, also after use."""
        model = make(temperature=0.25)
        if when == "used":
            caller(model, "chat", asked("chat"))
        copied = pickle.loads(pickle.dumps(model))  # noqa: S301  our own bytes

        assert text_of(caller(copied, "chat", asked("chat"))) == "Paris."
        assert service.last.body["temperature"] == 0.25

    def test_the_system_prompt_is_honoured(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """In predictions, as the first message."""
        answer = caller(make(system_prompt="Be brief."), "predict", PromptTemplate("Capital of {c}?"), c="France")
        sent = [(m["role"], _plain(m["content"])) for m in service.last.body["messages"]]

        assert answer == "Paris."
        assert sent == [("system", "Be brief."), ("user", USER)]

    # ------------------------------------------------------------------ loops, threads, connections

    def test_three_event_loops(self, model: LLM) -> None:
        """Repeated `asyncio.run` is what users do; no error, no warning, nothing thrown away."""

        async def both() -> str:
            await model.achat(asked("chat"))
            return text_of([part async for part in await model.astream_chat(asked("chat"))][-1])

        with quietly():
            assert [asyncio.run(both()) for _ in range(3)] == ["Paris."] * 3

    def test_threads(self, model: LLM) -> None:
        """Sync calls and event loops side by side, one object."""
        answers: list[str] = []
        kinds = [lambda: model.chat(asked("chat")), lambda: asyncio.run(model.achat(asked("chat")))] * 3
        threads = [threading.Thread(target=lambda call=call: answers.append(text_of(call()))) for call in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert answers == ["Paris."] * 6

    def test_connections_are_used_again(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Ten calls one after the other, one connection."""
        for _ in range(10):
            caller(model, "chat", asked("chat"))

        assert len({request.connection for request in service.requests}) == 1

    # ------------------------------------------------------------------ what users build: retrieval

    def _index(self, texts: list[str]) -> VectorStoreIndex:
        return VectorStoreIndex.from_documents(
            [Document(text=t) for t in texts], embed_model=MockEmbedding(embed_dim=3)
        )

    def test_a_query_engine_asks_once(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """Ten large passages in one request, with the roles of the chat prompt."""
        texts = [f"passage {n} " + "word " * 700 for n in range(10)]
        response = caller(self._index(texts).as_query_engine(llm=model, similarity_top_k=10), "query", USER)

        assert str(response) == "Paris."
        assert [[m["role"] for m in body["messages"]] for body in service.bodies] == [["system", "user"]]

    def test_a_query_engine_streams_with_exact_counts(
        self, model: LLM, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The text in tokens; the counter of the settings has the service's numbers."""
        counter = TokenCountingHandler()
        monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([counter]))

        async def ask() -> str:
            response = await engine.aquery(USER)
            return "".join([token async for token in response.async_response_gen()])  # type: ignore[union-attr]

        engine = self._index(["a passage"]).as_query_engine(llm=model, streaming=True)
        assert runner.run(ask()) == "Paris."
        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (
            PROMPT_TOKENS,
            COMPLETION_TOKENS,
        )

    def test_citations(self, service: ScriptedService, model: LLM, caller: Caller) -> None:
        """The passages are numbered in the request and in the sources."""
        service.will(says("Paris [1]."))
        engine = CitationQueryEngine.from_args(
            self._index(["a passage"]), llm=model, embed_model=MockEmbedding(embed_dim=3)
        )
        response = caller(engine, "query", USER)

        assert str(response) == "Paris [1]."
        assert "Source 1:" in json.dumps(service.last.body["messages"])
        assert response.source_nodes[0].get_text().startswith("Source 1:")

    @pytest.mark.parametrize(
        ("mode", "plain", "streamed"),
        [("simple", 0, 2), ("context", 0, 2), ("condense_question", 1, 2), ("condense_plus_context", 1, 2)],
    )
    def test_chat_engines_stream(
        self, service: ScriptedService, model: LLM, runner: asyncio.Runner, mode: str, plain: int, streamed: int
    ) -> None:
        """Two turns: the requests expected of each engine, and a history of both."""
        memory = ChatMemoryBuffer.from_defaults(token_limit=3000)

        async def turn(question: str) -> str:
            response = await engine.astream_chat(question)
            return "".join([token async for token in response.async_response_gen()])

        engine = self._index(["a passage"]).as_chat_engine(chat_mode=mode, llm=model, memory=memory)  # type: ignore[arg-type]
        assert [runner.run(turn(question)) for question in ("One?", "Two?")] == ["Paris."] * 2
        kinds = [bool(body.get("stream")) for body in service.bodies]
        assert (kinds.count(False), kinds.count(True)) == (plain, streamed)
        assert [m.role.value for m in engine.chat_history] == ["user", "assistant"] * 2


def _plain(content: Any) -> str:
    """The text of a wire content, which may be a list of text parts."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)
