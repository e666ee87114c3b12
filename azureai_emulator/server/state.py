"""What all routes of one server share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from azureai_emulator.brains.work_queue import WorkQueue
from azureai_emulator.catalog.deployments import Catalog
from azureai_emulator.tape.record import Record
from azureai_emulator.tape.replay import Replay
from azureai_emulator.wire.asgi import Scope
from azureai_emulator.wire.conversation import Conversation

from .session import Session, Sessions


@dataclass
class State:
    """What the routes share."""

    catalog: Catalog
    main: Session
    url: str = ""
    tape: Record | Replay | None = None
    """Answers in place of the deployments: a real endpoint behind the emulator, or its recorded exchanges."""
    work_queue: WorkQueue = field(default_factory=WorkQueue)
    """The requests for slow brains."""
    sessions: Sessions = field(init=False)
    drop_connection: Callable[[Scope, bool], None] = lambda _scope, _reset: None
    """Closes or resets a request's connection; set by the server, which knows the sockets."""

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.main)

    async def drop(self, conversation: Conversation, *, reset: bool) -> None:
        """Close or reset the connection, and wait until that has happened."""
        self.drop_connection(conversation.scope, reset)
        while (await conversation.receive())["type"] != "http.disconnect":
            pass
