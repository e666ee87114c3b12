"""A contender's process. Reads jobs as lines of JSON, answers each with a line of JSON; ends when its input ends.

`worker.py NAME` serves jobs. `worker.py NAME cold URL` asks for one chat and prints the CPU seconds that the process
has taken until then; `worker.py NAME import URL` does so for the import alone. Both load nothing but the contender.
"""

from __future__ import annotations

import sys

from contenders import CONTENDERS, Unable


def serve(name: str) -> None:
    """Answers jobs until there are no more. What peers print goes to standard error."""
    import asyncio
    import json
    import os

    from measure import Job, run

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    async def one(job: Job) -> dict[str, float]:
        return await run(CONTENDERS[name].make(job.url), job)

    print(json.dumps({"ready": True}), file=answers, flush=True)
    # One loop for all jobs: some peers share an async client between models, which does not outlive its loop.
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            try:
                reply = json.dumps(runner.run(one(Job(**json.loads(line)))))
            except Unable as reason:
                reply = json.dumps({"unable": str(reason)})
            except Exception as error:  # noqa: BLE001  a contender may fail in any way; the run goes on
                reply = json.dumps({"unable": f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"})
            print(reply, file=answers, flush=True)


def once(name: str, what: str, url: str) -> None:
    """One chat, or just the import, and what the process has cost until then."""
    import time

    if what == "cold":
        CONTENDERS[name].make(url).chat()
    else:
        CONTENDERS[name].load()
    print(f'{{"cpu": {time.process_time()}}}')


if __name__ == "__main__":
    if len(sys.argv) > 2:  # noqa: PLR2004  the name and what to do
        once(sys.argv[1], sys.argv[2], sys.argv[3])
    else:
        serve(sys.argv[1])
