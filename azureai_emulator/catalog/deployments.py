"""Deployments: a name, a profile, the kinds it is served under, a brain, rate limits."""

from dataclasses import dataclass, field

from azureai_emulator.brains.base import Brain

from .kinds import KINDS, Kind, endpoint_url
from .profiles import Profile


@dataclass(frozen=True)
class Deployment:
    """A name under which a profile is served, and the endpoint kinds it is served under."""

    name: str
    profile: Profile
    kinds: tuple[Kind, ...] = KINDS
    brain: Brain | None = None
    """What answers; `None` is the built-in rule-based brain."""
    requests_per_minute: int | None = None
    """How many requests are admitted before a 429; `None` is no limit."""
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for field_name in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, field_name)
            if limit is not None and limit < 1:
                raise ValueError(f"{field_name} of {self.name!r} has to be at least 1, or None for no limit.")

    def urls(self, base: str) -> dict[str, str]:
        """Base URL per endpoint kind."""
        return {kind: endpoint_url(base, kind, self.name) for kind in self.kinds}

    def describe(self, base: str) -> dict[str, object]:
        """This deployment's entry in `GET /deployments`."""
        return {
            "name": self.name,
            "kind": self.kinds[0],
            "kinds": list(self.kinds),
            "urls": self.urls(base),
            "profile": self.profile.name,
            "task": self.profile.task,
            "quirks": [*self.profile.quirks(), *self._limit_sentences()],
        }

    def in_catalogue(self) -> dict[str, object]:
        """This deployment's entry in the catalogue of GitHub Models."""
        profile, answers = self.profile, self.profile.task == "chat"
        able = {
            "streaming": answers,
            "tool-calling": answers and profile.tools,
            "reasoning": profile.reasoning != "none",
        }
        return {
            "id": f"{profile.publisher}/{self.name}",
            "name": self.name,
            "publisher": profile.provider,
            "summary": " ".join(profile.quirks()),
            "rate_limit_tier": "custom",
            "supported_input_modalities": sorted(profile.inputs | ({"image"} if profile.images else set())),
            "supported_output_modalities": ["text" if answers else "embeddings"],
            "tags": [name for name, has in able.items() if has],
        }

    def _limit_sentences(self) -> list[str]:
        limits = {"requests": self.requests_per_minute, "tokens": self.tokens_per_minute}
        return [f"At most {limit} {what} per minute." for what, limit in limits.items() if limit is not None]


@dataclass(frozen=True)
class Catalog:
    """The deployments a server has, found by name."""

    deployments: tuple[Deployment, ...]
    _by_name: dict[str, Deployment] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {item.name: item for item in self.deployments})

    def find(self, name: str, kind: Kind) -> Deployment | None:
        """The deployment of that name, if it is served under that kind.

        Names match exactly, except on `/models`. Source: Azure AI Foundry, 'Endpoints': routing ignores case.
        On GitHub Models they are `publisher/name`, or the name alone as on its former host.
        """
        publisher, slash, plain = name.partition("/")
        found = self._by_name.get(plain if slash and kind == "github" else name)
        if found is not None and slash and kind == "github" and found.profile.publisher != publisher:
            return None
        if found is None and kind == "models":
            found = next((item for item in self.deployments if item.name.lower() == name.lower()), None)
        return found if found is not None and kind in found.kinds else None
