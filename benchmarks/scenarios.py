"""What is measured: each scenario's server, size, and who takes part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contenders import CONTENDERS

AZURE_SDK = ("azure-ai-inference", "lc-azure-inference", "li-azure-inference")
OPENAI_SDK = ("lc-azure-openai", "lc-openai", "li-openai-like")
MODES = ("quick", "full", "guard")
COLD = ("cold", "import")
"""Scenarios that are a whole process each."""


def shares(**of: float) -> Mapping[str, float]:
    """Contender → its share of the units: `azure` and `openai` stand for all that are built on these SDKs."""
    families = {"azure": AZURE_SDK, "openai": OPENAI_SDK, "httpx": ("httpx",)}
    return {name: share for family, share in of.items() for name in families[family]}


@dataclass(frozen=True)
class Scenario:
    """One column of the tables."""

    name: str
    about: str
    unit: str
    count: tuple[int, int, int]
    """Units of one measurement: quick, full, guard."""
    words: int = 0
    """Events of one stream."""
    dimensions: int = 1024
    server: tuple[str, ...] = ()
    """Arguments of the mock server."""
    own_server: bool = False
    """Whether each measurement gets a server of its own."""
    peer_server: tuple[str, ...] | None = None
    """The server of the peers, where they could not do the scenario at all."""
    kinds: tuple[str, ...] = ("base", "ours", "floor", "peer")
    only: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    """Costs per unit of slow contenders are taken from a share of the units."""
    value: str = "cpu"
    """What the tables show: `cpu` or `wall` seconds, or a `ratio`."""
    own_process: bool = False
    """Whether the contender's process is a fresh one."""
    rounds: int = 99
    """Rounds at most."""
    turns: int = 3
    """Times that a round of a full run measures all contenders, one after the other each time."""

    def size(self, mode: str, contender: str) -> int:
        """The units for a contender."""
        return max(1, round(self.count[MODES.index(mode)] * self.shares.get(contender, 1.0)))

    def takes(self, contender: str) -> bool:
        """Whether a contender takes part at all."""
        if self.only:
            return contender in self.only
        return CONTENDERS[contender].kind in self.kinds

    def server_for(self, contender: str) -> tuple[str, ...]:
        """The arguments of the mock server."""
        is_peer = CONTENDERS[contender].kind == "peer"
        return self.peer_server if is_peer and self.peer_server is not None else self.server


SLOW_EMBED = shares(azure=0.05, httpx=0.4)
WIDE = ("--dimensions", "3072")
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("chat", "one small chat after the other", "chat", (200, 300, 400)),
        Scenario("achat", "the same, async", "chat", (200, 200, 300)),
        Scenario("stream", "streams of 500 events that come at once", "event", (8, 12, 16), words=500),
        Scenario("astream", "the same, async", "event", (8, 12, 16), words=500),
        Scenario(
            "stream-paced", "events 2 ms apart, each its own packet", "event", (2, 2, 1), words=200,
            server=("--gap", "0.002"), turns=4,
        ),
        Scenario(
            "astream-paced", "the same, async", "event", (2, 2, 1), words=200, server=("--gap", "0.002"), turns=4,
        ),
        Scenario("ttfc", "time to first chunk", "stream", (30, 60, 20), words=20, value="wall"),
        Scenario("tools", "two streamed calls, 200 fragments of arguments", "fragment", (10, 20, 20), words=200),
        Scenario(
            "history", "a 500-message history with tools and images", "chat", (10, 16, 16), shares=shares(openai=0.4),
        ),
        Scenario(
            "embed", "10,000 texts, 1024 dimensions, default", "text", (5000, 10_000, 2000), shares=SLOW_EMBED, turns=2,
        ),
        Scenario("aembed", "the same, async", "text", (5000, 10_000, 2000), shares=SLOW_EMBED, turns=2),
        Scenario(
            "embed3072", "2,000 texts, 3072 dimensions", "text", (1000, 2000, 500), dimensions=3072, server=WIDE,
            shares=SLOW_EMBED, turns=2,
        ),
        Scenario(
            "aembed3072", "the same, async", "text", (1000, 2000, 500), dimensions=3072, server=WIDE,
            shares=SLOW_EMBED, turns=2,
        ),
        Scenario(
            "embed-refused", "`embed` where the service refuses base64 (peers: where it does not)", "text",
            (5000, 10_000, 2000), server=("--refuse",), peer_server=(), shares=SLOW_EMBED, turns=2,
            only=("httpx", "azureai_core", "ours-langchain", "lc-azure-openai", "lc-openai", "ours-llamaindex",
            "li-openai-like"),
        ),
        Scenario(
            "concurrent", "500 async chats at once, 100 ms latency, second burst", "chat", (500, 500, 100),
            server=("--latency", "0.1", "--together", "500"), own_server=True, kinds=("base", "ours", "peer"), turns=1,
        ),
        Scenario(
            "threads", "640 chats by 64 threads, second burst", "chat", (640, 640, 128),
            server=("--together", "64"), own_server=True, kinds=("base", "ours", "peer"), turns=1,
        ),
        Scenario(
            "retry", "each fourth request refused with `retry-after: 0`", "answer", (60, 60, 30),
            server=("--throttle", "4"), own_server=True, kinds=("ours", "peer"), shares=shares(openai=0.25), turns=1,
        ),
        Scenario("cold", "fresh process to the first answer", "process", (1, 1, 1), turns=5),
        Scenario("import", "import of the classes in a fresh process", "process", (1, 1, 1), kinds=("ours", "floor")),
        Scenario(
            "memory", "peak memory of embedding 10,000 texts, over the floats returned", "job", (10_000, 10_000, 1000),
            value="ratio", own_process=True, rounds=3, turns=1, only=("httpx", "azureai_core", "lc-floor",
            "ours-langchain", "lc-openai", "lc-azure-openai", "li-floor", "ours-llamaindex", "li-openai-like"),
        ),
        Scenario(
            "batches", "peak memory of 100,000 texts taken batch by batch (`embed_many`)", "job",
            (20_000, 100_000, 1000), value="peak", own_process=True, rounds=2, turns=1, only=("azureai_core",),
        ),
        Scenario(
            "growth-chat", "CPU per chat of ten times as many", "chat", (100, 100, 50), value="ratio",
            kinds=("base", "ours", "floor"),
        ),
        Scenario(
            "growth-embed", "CPU per text of ten times as many", "text", (1000, 1000, 200), value="ratio",
            # The small job alone would find its memory at hand where a larger scenario ran before.
            own_process=True,
            only=("httpx", "azureai_core", "ours-langchain", "li-floor", "ours-llamaindex"),
        ),
        Scenario(
            "growth-stream", "CPU per event of a stream ten times as long (20,000)", "event", (10, 10, 10), words=2000,
            value="ratio", kinds=("base", "ours", "floor"), turns=1,
        ),
        Scenario(
            "growth-tools", "CPU per fragment of calls ten times as long (2,000)", "fragment", (10, 10, 10), words=200,
            value="ratio", kinds=("base", "ours", "floor"), turns=1,
        ),
    )
}  # fmt: skip
