"""`azureai chat`: a conversation in the terminal, or one answer for a pipe."""

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from azureai_core import AzureAIError, ConfigurationError, Delta, InferenceClient, Usage, data_url

from . import _connect
from ._connect import ApiVersion, AsJson, Entra, ExitCode, KeyEnv, Model, Scope, Target, Timeout, Url, printable
from ._diagnosis import diagnose

Message = dict[str, Any]


Question = Annotated[
    str | None,
    typer.Option(
        "--message", "-m", metavar="TEXT", help="Ask this and exit; otherwise stdin is read.", show_default=False
    ),
]
System = Annotated[str | None, typer.Option(metavar="TEXT", help="A system message.", show_default=False)]
Images = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="An image to send with the first message; repeatable.", show_default=False),
]
Temperature = Annotated[float | None, typer.Option(metavar="X", help="Sampling temperature.", show_default=False)]
MaxTokens = Annotated[int | None, typer.Option(metavar="N", help="Most tokens of an answer.", show_default=False)]


def chat(
    url: Url = None,
    model: Model = None,
    message: Question = None,
    system: System = None,
    image: Images = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    key_env: KeyEnv = None,
    entra: Entra = False,
    scope: Scope = None,
    api_version: ApiVersion = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Chat with a deployment, streamed; or get one answer to a piped question.

    Ctrl-C stops an answer; /exit or Ctrl-D ends the conversation. Reasoning is
    shown dimmed.
    """
    target = _connect.target(
        url, model=model, key_env=key_env, entra=entra, scope=scope, api_version=api_version, timeout=timeout
    )
    options = {"temperature": temperature, "max_tokens": max_tokens}
    with target.client() as client:
        conversation = _Conversation(target, client, options, _system(system), _data_urls(image or []), as_json=as_json)
        one = message if message is not None else _piped_question()
        raise typer.Exit(conversation.once(one) if one is not None else conversation.converse())


def _system(text: str | None) -> list[Message]:
    return [{"role": "system", "content": text}] if text else []


def _data_urls(images: list[Path]) -> list[str]:
    try:
        return [data_url(path, f"The image {path}") for path in images]
    except ConfigurationError as error:
        raise _connect.exit_with(error.message, ExitCode.USAGE) from None


def _piped_question() -> str | None:
    """The whole of stdin if it is a file or a pipe, otherwise `None`."""
    if sys.stdin.isatty():
        return None
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise _connect.exit_with(
            f"stdin is not UTF-8 text: {error.reason} at byte {error.start}. Convert it first.", ExitCode.USAGE
        ) from None


class _Conversation:
    """A conversation: its messages so far, and how answers are shown."""

    def __init__(
        self,
        target: Target,
        client: InferenceClient,
        options: dict[str, Any],
        messages: list[Message],
        images: list[str],
        *,
        as_json: bool,
    ) -> None:
        self._target = target
        self._client = client
        self._options = options
        self._messages = messages
        self._images = images
        self._as_json = as_json
        self._notes = Console(stderr=True, highlight=False)

    def once(self, text: str) -> ExitCode:
        """One question, one answer."""
        if not text:
            raise _connect.exit_with("The question is empty: pass --message TEXT, or pipe one in.", ExitCode.USAGE)
        try:
            self._ask(text)
        except AzureAIError as error:
            return self._failed(error)
        return ExitCode.SUCCESS

    def converse(self) -> ExitCode:
        """Ask until the user ends it; an error or Ctrl-C ends only the answer."""
        with suppress(ImportError):
            import readline  # noqa: F401, PLC0415  makes input() editable
        self._note("/exit or Ctrl-D ends the conversation, Ctrl-C stops an answer.")
        for text in _questions():
            try:
                self._ask(text)
            except KeyboardInterrupt:
                self._note("\n(stopped)")
            except AzureAIError as error:
                self._failed(error)
                self._messages.pop()
            self._note("")
        return ExitCode.SUCCESS

    def _ask(self, text: str) -> None:
        """Stream the answer to a question; a stopped answer is kept as far as it came."""
        self._messages.append({"role": "user", "content": self._content(text)})
        payload = {"messages": list(self._messages), **self._options}
        answer = _Answer(self._notes, quiet=self._as_json)
        try:
            with closing(_stream(self._client, payload)) as deltas:
                for delta in deltas:
                    answer.add(delta)
        except KeyboardInterrupt:
            self._keep(answer.text or "(stopped)")
            raise
        finally:
            answer.end()
        self._keep(answer.text)
        if self._as_json:
            _connect.print_json(answer.as_json())
        else:
            self._note(answer.summary())

    def _keep(self, text: str) -> None:
        """Add an answer to the history, which contains the images by now."""
        self._images = []
        self._messages.append({"role": "assistant", "content": text})

    def _content(self, text: str) -> str | list[dict[str, Any]]:
        if not self._images:
            return text
        images = [{"type": "image_url", "image_url": {"url": url}} for url in self._images]
        return [{"type": "text", "text": text}, *images]

    def _failed(self, error: AzureAIError) -> ExitCode:
        problem = diagnose(error, self._target)
        _connect.print_error(problem.sentence())
        return problem.exit_code

    def _note(self, text: str) -> None:
        self._notes.print(text, style="dim", markup=False)


def _stream(client: InferenceClient, payload: dict[str, Any]) -> Generator[Delta, None, None]:
    """The deltas of an answer, as a generator that can be closed."""
    yield from client.stream(payload)


def _questions() -> Iterator[str]:
    """What the user types; Ctrl-C at the prompt starts a new line."""
    while True:
        try:
            text = _read_line().strip()
        except KeyboardInterrupt:
            print(file=sys.stderr)  # noqa: T201  ends the line of the prompt
            continue
        except EOFError:
            print(file=sys.stderr)  # noqa: T201
            return
        if text in {"/exit", "/quit"}:
            return
        if text:
            yield text


def _read_line() -> str:
    """One line of input. If stdout is a file, the prompt goes to stderr: `input` would write it into the file."""
    if sys.stdout.isatty():
        return input("> ")
    print("> ", end="", file=sys.stderr, flush=True)  # noqa: T201
    return input()


class _Answer:
    """One answer while it arrives: text to stdout, dimmed reasoning to stderr."""

    def __init__(self, notes: Console, *, quiet: bool) -> None:
        self._notes = notes
        self._quiet = quiet
        self._reasoning: list[str] = []
        self._text: list[str] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._model: str | None = None
        self._request_id: str | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def add(self, delta: Delta) -> None:
        """Show one delta, and remember it."""
        self._finish = delta.finish_reason or self._finish
        self._usage = delta.usage or self._usage
        self._model = delta.raw.get("model") or self._model
        self._request_id = delta.meta.request_id if delta.meta else self._request_id
        if text := delta.reasoning if self._reasoning else delta.reasoning.lstrip():
            self._show_reasoning(text)
        if delta.content:
            self._show(delta.content)

    def _show_reasoning(self, text: str) -> None:
        self._reasoning.append(text)
        if not self._quiet:
            self._notes.print(printable(text, lines=True), style="dim italic", end="", markup=False, soft_wrap=True)

    def _show(self, text: str) -> None:
        if self._reasoning and not self._text and not self._quiet:
            ended = self._reasoning[-1].endswith("\n")
            self._notes.print("" if ended else "\n")
        self._text.append(text)
        if not self._quiet:
            # A pipe gets the text unchanged; in a terminal, control characters could rewrite the screen.
            sys.stdout.write(printable(text, lines=True) if sys.stdout.isatty() else text)
            sys.stdout.flush()

    def end(self) -> None:
        """Ends the line."""
        if self._text and not self._quiet and not self.text.endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()

    def summary(self) -> str:
        """The line below the answer."""
        usage = self._usage
        counts = (
            f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens" if usage else "token counts not reported"
        )
        reasoning = f", {usage.reasoning_tokens:,} of them reasoning" if usage and usage.reasoning_tokens else ""
        cut = f" · ended: {self._finish}" if self._finish not in {"stop", None} else ""
        return f"{printable(self._model or 'model')} · {counts}{reasoning}{cut}"

    def as_json(self) -> dict[str, Any]:
        """The whole answer for machines."""
        usage = (
            {name: count for name, count in asdict(self._usage).items() if count is not None} if self._usage else None
        )
        return {
            "content": self.text,
            "reasoning": "".join(self._reasoning).rstrip(),
            "finish_reason": self._finish,
            "usage": usage,
            "model": self._model,
            "request_id": self._request_id,
        }
