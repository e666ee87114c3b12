"""Rate limits: counted per deployment, refilled by the clock, shown in headers."""

import pytest

from azureai_emulator import Deployment, Fault, serve
from azureai_emulator.catalog.shipped import GPT, TEXT_EMBEDDING_3

KINDS = ("openai-deployment", "openai-v1", "models")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limited(clock, http):
    deployments = [
        Deployment("calls", GPT, KINDS, requests_per_minute=3),
        Deployment("tokens", GPT, KINDS, tokens_per_minute=100),
        Deployment("vectors", TEXT_EMBEDDING_3, KINDS, requests_per_minute=1),
        "gpt-4o",
    ]
    with serve(deployments=deployments, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def ask(limited, http):
    def ask(name, route="chat/completions", headers=None, **fields):
        body = {"messages": [{"role": "user", "content": "hi"}]} if route.startswith("chat") else {"input": ["a"]}
        return http.post(
            f"{limited.url}/openai/v1/{route}",
            headers={"api-key": limited.key, **(headers or {})},
            json={"model": name, **body, **fields},
        )

    return ask


def test_requests_are_counted_and_refill(ask, clock):
    """Three pass, the fourth is told to wait as long as the refill takes, and then passes."""
    answers = [ask("calls") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"3"}
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].headers["retry-after"] == answers[3].headers["x-ratelimit-reset-requests"] == "20"
    assert answers[3].headers["policy-id"] == "DeploymentRatelimit-Call"
    assert answers[3].json()["error"]["code"] == "429"
    assert "Please retry after 20 seconds." in answers[3].json()["error"]["message"]

    clock.now += 19.9
    assert ask("calls").headers["retry-after"] == "1"
    clock.now += 0.1
    assert ask("calls").status_code == 200
    assert ask("calls").status_code == 429


def test_waiting_longer_never_gives_more_than_the_limit(ask, clock):
    """An hour later there are three again, not sixty."""
    clock.now += 3600

    assert [ask("calls").status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_are_counted_as_usage_says(ask, clock, limited, stream):
    """Plain or streamed, the answer's own usage is taken off; 429 when nothing is left."""
    first = ask("tokens", stream=stream)
    used = limited.requests[-1].tokens

    assert used > 0
    assert first.headers["x-ratelimit-limit-tokens"] == "100"
    assert first.headers["x-ratelimit-remaining-tokens"] == str(max(0, 100 - used))
    for _ in range(100 // used + 1):
        last = ask("tokens", stream=stream)
    assert last.status_code == 429
    assert last.headers["policy-id"] == "DeploymentRatelimit-Token"
    clock.now += int(last.headers["retry-after"])
    assert ask("tokens", stream=stream).status_code == 200


def test_refusals_and_faults_count_as_requests(ask, limited):
    """A 400 and a fault carry the headers too."""
    limited.faults(Fault(500))
    answers = [ask("calls"), ask("calls", foo=1), ask("calls", headers={"x-emulator-fault": "503"}), ask("calls")]

    assert [answer.status_code for answer in answers] == [500, 400, 503, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0"]


def test_embeddings_name_their_own_operation(ask):
    """E24 names the operation that was called."""
    ask("vectors", "embeddings")

    assert "Embeddings_Create" in ask("vectors", "embeddings").json()["error"]["message"]


def test_without_limits_there_is_no_header(ask):
    """Off unless configured."""
    answer = ask("gpt-4o")

    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_clear_gives_full_allowances(ask, limited):
    """A new test begins with a full bucket."""
    for _ in range(4):
        ask("calls")
    limited.clear()

    assert ask("calls").status_code == 200


def test_limits_are_listed_and_checked(limited, http):
    """`GET /deployments` says them; a limit below 1 is refused."""
    listed = http.get(limited.url + "/deployments", headers={"api-key": limited.key}).json()

    assert "At most 3 requests per minute." in listed[0]["quirks"]
    with pytest.raises(ValueError, match="requests_per_minute of 'x' has to be at least 1"):
        Deployment("x", GPT, requests_per_minute=0)
