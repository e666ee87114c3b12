"""From LlamaIndex messages to the wire: every block and role has a defined fate (contract 1.6)."""

import base64
import copy
from io import BytesIO
from types import SimpleNamespace

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from azureai_core import ConfigurationError

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.fixture
def sent(service, make_llm):
    """Sends messages and gives the wire form that left."""

    async def send(*messages, caller=None, path="/serverless/chat", **options):
        llm = make_llm(path, **options)
        await (caller(llm, "chat", list(messages)) if caller else llm.achat(list(messages)))
        return service.last.body["messages"]

    return send


def user(*blocks):
    return ChatMessage(role="user", blocks=list(blocks))


@pytest.mark.parametrize(
    ("role", "wire"),
    [
        ("system", "system"),
        ("developer", "developer"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("chatbot", "assistant"),
        ("model", "assistant"),
    ],
)
async def test_roles(sent, role, wire):
    """Roles of other providers are folded into the API's own."""
    assert await sent(ChatMessage(role=role, content="x")) == [{"role": wire, "content": "x"}]


async def test_all_text_is_one_string(sent, caller):
    """Some models refuse a list of parts even when it holds nothing but text."""
    assert await sent(user(TextBlock(text="a"), TextBlock(text="b")), caller=caller) == [
        {"role": "user", "content": "a\nb"}
    ]


async def test_an_image_becomes_a_data_url(sent, caller, tmp_path):
    """Bytes, path and open file give the same part; detail is kept; an open file stays where it was."""
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    stream = BytesIO(PNG)
    stream.seek(5)
    takes_files = "IOBase" in str(ImageBlock.model_fields["image"].annotation)
    blocks = [
        ImageBlock(image=PNG, detail="low"),
        ImageBlock(path=path),
        ImageBlock(image=stream if takes_files else PNG),
    ]
    [message] = await sent(user(TextBlock(text="See"), *blocks), caller=caller)

    urls = [part["image_url"]["url"] for part in message["content"][1:]]
    assert urls == [PNG_URL] * 3
    assert message["content"][:2] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}},
    ]
    assert stream.tell() == 5


WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(12)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PNG, "png"), (b"\xff\xd8\xff" + PNG, "jpeg"), (b"GIF89a" + PNG, "gif"), (b"BM" + PNG, "bmp"), (WEBP, "webp")],
)
async def test_the_format_of_an_image_is_that_of_its_bytes(sent, content, kind):
    """Whatever the block says; the base64 that it holds goes as it stands."""
    [message] = await sent(user(ImageBlock(image=content, image_mimetype="image/odd")))

    url = message["content"][0]["image_url"]["url"]
    assert url == f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


async def test_an_image_of_another_format_has_the_type_that_the_user_says(service, sent):
    """Without that, it is an error that names it."""
    heic = b"\x00\x00\x00\x18ftypheic" + bytes(12)
    [message] = await sent(user(ImageBlock(image=heic, image_mimetype="image/heic")))

    assert message["content"][0]["image_url"]["url"] == "data:image/heic;base64," + base64.b64encode(heic).decode()
    with pytest.raises(ConfigurationError, match=r"messages\[0\] \(user\).*no PNG"):
        await sent(user(ImageBlock(image=b"nothing at all")))
    assert len(service.requests) == 1


async def test_base64_goes_as_it_stands(sent):
    """It is not decoded and encoded again, which would change the unused bits at its end."""
    given = user(ImageBlock(image=PNG))
    given.blocks[0].image = odd = given.blocks[0].image.removesuffix(b"g==") + b"h=="
    [message] = await sent(given)

    assert message["content"][0]["image_url"]["url"] == "data:image/png;base64," + odd.decode()


async def test_bytes_that_were_set_later_are_taken_too(sent):
    """Which no block has brought into base64."""
    given = user(ImageBlock(image=PNG))
    given.blocks[0].image = PNG
    [message] = await sent(given)

    assert message["content"][0]["image_url"]["url"] == PNG_URL


async def test_an_image_url_goes_as_it_is(sent):
    """A web address is for the service to fetch; a data URL is not coded twice."""
    remote = "https://example.com/a.png"
    [message] = await sent(user(ImageBlock(url=remote), ImageBlock(url=PNG_URL)))

    assert [part["image_url"]["url"] for part in message["content"]] == [remote, PNG_URL]


async def test_audio_becomes_input_audio(sent, caller):
    """Data and format; a web address becomes an audio_url part."""
    blocks = [AudioBlock(audio=b"RIFF\x00\x01", format="wav"), AudioBlock(url="https://example.com/a.mp3")]
    [message] = await sent(user(*blocks), caller=caller)

    assert message["content"] == [
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF\x00\x01").decode(), "format": "wav"}},
        {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}},
    ]


async def test_audio_without_a_format_is_refused(service, sent, caller):
    """The API requires it, and a wrong guess costs more than an error."""
    with pytest.raises(ConfigurationError, match="AudioBlock has no format"):
        await sent(user(AudioBlock(audio=b"????")), caller=caller)
    assert service.requests == []


async def test_a_text_document_becomes_text(sent, caller):
    """Any endpoint can read text."""
    block = DocumentBlock(data=b"Hello", title="a.txt", document_mimetype="text/plain")
    assert await sent(user(block), caller=caller) == [{"role": "user", "content": "a.txt:\nHello"}]


async def test_a_pdf_becomes_a_file_part_on_openai_routes_only(service, sent, caller):
    """The model-inference schema has no file part: a local error names the block."""
    block = DocumentBlock(data=b"%PDF-1.4", title="a.pdf", document_mimetype="application/pdf")
    [message] = await sent(user(block), caller=caller, path="/openai/v1", model="gpt-4o")
    data = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4").decode()

    assert message["content"] == [{"type": "file", "file": {"filename": "a.pdf", "file_data": data}}]
    with pytest.raises(ConfigurationError, match=r"messages\[0\] \(user\): a DocumentBlock of type application/pdf"):
        await sent(user(block), caller=caller)
    assert len(service.requests) == 1


async def test_what_the_api_has_no_place_for_is_refused_by_name(service, sent, caller):
    """Nothing is dropped in silence."""
    with pytest.raises(ConfigurationError, match=r"messages\[0\] \(user\).*VideoBlock"):
        await sent(user(VideoBlock(url="https://example.com/a.mp4")), caller=caller)
    with pytest.raises(ConfigurationError, match="ImageBlock of the assistant"):
        await sent(ChatMessage(role="assistant", blocks=[ImageBlock(image=PNG)]), caller=caller)
    with pytest.raises(ConfigurationError, match="ToolCallBlock"):
        await sent(user(ToolCallBlock(tool_name="f")), caller=caller)
    assert service.requests == []


async def test_cache_points_are_hints_to_others(sent):
    """Prompts written for another provider still work."""
    blocks = [TextBlock(text="a"), CachePoint(cache_control=CacheControl(type="ephemeral"))]
    assert await sent(user(*blocks)) == [{"role": "user", "content": "a"}]


async def test_citations_become_text_with_their_source(sent):
    """Title and source stand before the text."""
    citable = CitableBlock(title="T", source="S", content="c")
    citation = CitationBlock(title="U", source="V", cited_content="d", additional_location_info={})
    assert await sent(user(citable, citation)) == [{"role": "user", "content": "T (S):\nc\nU (V):\nd"}]


async def test_reasoning_does_not_go_back_unless_asked(sent):
    """Reasoning guides say not to send it; it can be switched on."""
    message = ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm"), TextBlock(text="a")])

    assert await sent(message) == [{"role": "assistant", "content": "a"}]
    assert await sent(message, send_reasoning=True) == [
        {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    ]


CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})]),
        ChatMessage(
            role="assistant", blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs='{"a":1}')]
        ),
        ChatMessage(role="assistant", content=None, additional_kwargs={"tool_calls": [CALL]}),
        ChatMessage(
            role="assistant",
            additional_kwargs={"tool_calls": [{**CALL, "function": {"name": "add", "arguments": {"a": 1}}}]},
        ),
        ChatMessage(
            role="assistant",
            blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})],
            additional_kwargs={"tool_calls": [CALL], "session_id": "s", "tool_call_id": "x"},
        ),
    ],
)
async def test_tool_calls_in_history(sent, message, caller):
    """Blocks, dicts, or both: one wire call each, arguments as a string, no stray keys."""
    result = ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": "c1", "session_id": "s"})
    wire = await sent(user(TextBlock(text="q")), message, result, caller=caller)

    assert wire[1:] == [
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]


async def test_tool_calls_as_objects_of_an_sdk(sent):
    """Histories of other adapters hold SDK objects."""
    function = SimpleNamespace(name="add", arguments='{"a":1}')
    message = ChatMessage.model_construct(
        role=ChatMessage(role="assistant").role,
        blocks=[],
        additional_kwargs={"tool_calls": [SimpleNamespace(id="c1", function=function)]},
    )
    assert await sent(message) == [{"role": "assistant", "tool_calls": [CALL]}]


async def test_missing_call_ids_are_invented_and_match(sent):
    """A call without an id and its result get the same one."""
    call = ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="add", tool_kwargs="")])
    wire = await sent(call, ChatMessage(role="tool", content="3"))

    assert wire[0]["tool_calls"][0] == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "add", "arguments": "{}"},
    }
    assert wire[1]["tool_call_id"] == "call_1"


def _calls(*ids):
    blocks = [ToolCallBlock(tool_call_id=call_id, tool_name="add", tool_kwargs="{}") for call_id in ids]
    return ChatMessage(role="assistant", blocks=blocks)


def _answer(call_id, text):
    return ChatMessage(role="tool", content=text, additional_kwargs={"tool_call_id": call_id} if call_id else {})


@pytest.mark.parametrize(
    ("turns", "ids"),
    [
        ([("c1", None), ("c1", "one"), (None, "two")], ["c1", "call_2"]),
        ([(None, None), (None, "one"), (None, "two")], ["call_1", "call_2"]),
        ([("c1", "c1"), ("c1", "one"), ("c1", "two")], ["c1", "c1_2"]),
    ],
    ids=["one missing", "both missing", "repeated"],
)
async def test_calls_and_results_refer_to_each_other(sent, caller, turns, ids):
    """A call that was answered is not answered again; two calls of one message never have the same id."""
    wire = await sent(_calls(*turns[0]), *(_answer(*turn) for turn in turns[1:]), caller=caller)

    assert [call["id"] for call in wire[0]["tool_calls"]] == ids
    assert [(m["tool_call_id"], m["content"]) for m in wire[1:]] == list(zip(ids, ["one", "two"], strict=True))


async def test_an_id_that_comes_again_in_a_later_turn_stays(sent):
    """Some providers count from the start in each turn."""
    turn = [_calls("call_0"), _answer("call_0", "r")]
    wire = await sent(*turn, *turn, _calls(None), _answer(None, "last"))

    assert [m["tool_calls"][0]["id"] for m in wire[::2]] == [m["tool_call_id"] for m in wire[1::2]]
    assert wire[1]["tool_call_id"] == wire[3]["tool_call_id"] == "call_0"


async def test_a_result_without_a_call_is_refused(service, sent):
    """The service would refuse it less clearly."""
    with pytest.raises(ConfigurationError, match="answers no call"):
        await sent(ChatMessage(role="tool", content="3"))
    assert service.requests == []


def _result(*blocks):
    return ChatMessage(role="tool", blocks=list(blocks), additional_kwargs={"tool_call_id": "c1"})


async def test_an_empty_tool_result_is_an_empty_string(sent):
    """Null content is refused by the service."""
    assert await sent(_result()) == [{"role": "tool", "tool_call_id": "c1", "content": ""}]


async def test_images_of_a_tool_follow_in_a_user_message(sent):
    """A tool message holds a string only; the images come after all results."""
    second = ChatMessage(role="tool", content="ok", additional_kwargs={"tool_call_id": "c2"})
    wire = await sent(_result(TextBlock(text="plot"), ImageBlock(image=PNG)), second)

    assert [m["role"] for m in wire] == ["tool", "tool", "user"]
    assert wire[0]["content"] == "plot\n[1 attachment(s) of this result follow in the next user message]"
    assert wire[2]["content"][1] == {"type": "image_url", "image_url": {"url": PNG_URL}}


async def test_cohere_gets_json_tool_results(sent):
    """Cohere Command reads tool results as JSON; what is JSON already stays."""
    results = [_result(TextBlock(text="fine")), _result(TextBlock(text='{"a": 1}'))]
    wire = await sent(*results, model="cohere-command-r-plus")

    assert [m["content"] for m in wire] == ['{"result": "fine"}', '{"a": 1}']


async def test_mistral_gets_its_order(sent):
    """No user message right after a tool's, no system message late; other models get what was given."""
    messages = [
        user(TextBlock(text="q")),
        _result(TextBlock(text="3")),
        user(TextBlock(text="r")),
        ChatMessage(role="system", content="s"),
    ]
    mistral = await sent(*messages, model="mistral-large-2411")
    forced = await sent(*messages, model="x", normalize_order=True)
    plain = await sent(*messages, model="mistral-large-2411", normalize_order=False)

    assert [m["role"] for m in mistral] == ["system", "user", "tool", "assistant", "user"]
    assert forced == mistral
    assert [m["role"] for m in plain] == ["user", "tool", "user", "system"]


async def test_nothing_given_is_changed(service, make_llm, caller):
    """Neither the list, nor its messages, nor the arguments."""
    call = ChatMessage(
        role="assistant", blocks=[ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1})]
    )
    history = [user(TextBlock(text="q")), call, _result(TextBlock(text="3")), user(ImageBlock(image=PNG))]
    options = {"extra_body": {"user": "u"}, "stop": ["x"]}
    before = copy.deepcopy((history, options))
    await caller(make_llm(), "chat", history, **options)

    assert (history, options) == before
