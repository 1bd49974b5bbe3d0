"""Programs that use phospho 0.3.45 as its users do: run by its interpreter, not by ours.

    python scenarios.py NAME BASE_URL API_KEY PROJECT_ID

Each is a function; the last line that it prints is JSON of what the old client got. Nothing of
this repository is imported here.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

warnings.simplefilter("ignore")

# Without this the old client raises for many values on pydantic of today.
import_module("pydantic.v1")

# A type checker would take it for the phospho of this repository.
phospho: Any = import_module("phospho")
models: Any = import_module("phospho.models")
errors: Any = import_module("phospho.client")


# For what comes, on a machine of any speed; nothing of this repository can be imported.
PATIENCE_S = 100.0


def wait_for(client: Any, task_id: str) -> Any:
    """Return a task once it has arrived."""
    return wait_until(lambda: find(client, task_id))


def wait_until(is_so: Callable[[], Any]) -> Any:
    """Return the first true answer of `is_so`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.05)
    raise AssertionError("It did not arrive.")


def wait_for_all(count: int) -> Any:
    """Return all tasks once so many have arrived."""
    wait_until(lambda: len(phospho.client.tasks.get_all()) >= count)
    return phospho.client.tasks.get_all()


def find(client: Any, task_id: str) -> Any:
    try:
        return client.tasks.get(task_id)
    except (errors.PhosphoClientSideError, errors.PhosphoServerSideError):
        return None


def strings() -> Any:
    session = phospho.new_session()
    first = phospho.log(
        input="Book me a flight",
        output="Which date?",
        session_id=session,
        task_id="first",
        user_id="ana",
        version_id="v2",
        metadata={"plan": "pro"},
        channel="web",
        rating=4.5,
        flag="success",
    )
    phospho.log(input="Tomorrow", output="Booked.", session_id=session, task_id="second")
    phospho.log(input="No answer", session_id="lonely", task_id="third")
    task = wait_for(phospho.client, first["task_id"])
    content = task.content
    wait_for(phospho.client, "second")
    fresh = phospho.tasks.TaskEntity(phospho.client, "second").content
    return {"task": content, "session": session, "second": fresh.model_dump()}


def openai_objects() -> Any:
    chat: Any = import_module("openai.types.chat")
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-x",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Which date?"},
            }
        ],
        "usage": {"prompt_tokens": 21, "completion_tokens": 6, "total_tokens": 27},
    }
    query = {
        "model": "gpt-x",
        "messages": [
            {"role": "system", "content": "You sell flights."},
            {"role": "user", "content": "Book me a flight"},
        ],
    }
    phospho.log(input=query, output=chat.ChatCompletion.model_validate(answer), task_id="typed")
    phospho.log(input=query, output=answer, task_id="dicts")
    return {name: wait_for(phospho.client, name).content for name in ("typed", "dicts")}


def streams() -> Any:
    class Tokens:
        def __init__(self) -> None:
            self.left = ["Which", " date", "?"]

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> str:
            if not self.left:
                raise StopIteration
            return self.left.pop(0)

    output = Tokens()
    logged = phospho.log(input="Book me a flight", output=output, stream=True, session_id="s")
    said = "".join(output)

    def answer(question: str) -> Any:
        yield from ["To", "morrow", None]

    wrapped = phospho.wrap(answer, stream=True, stop=lambda token: token is None)
    said_too = list(wrapped(question="When?"))
    phospho.flush()
    found = [task.content for task in wait_for_all(2)]
    return {"said": said, "said_too": said_too, "logged": logged is None, "tasks": found}


def wrap() -> Any:
    def answer(question: str, plan: str = "free") -> str:
        return f"You asked: {question}"

    returned = phospho.wrap(answer)(question="How much?", plan="pro")
    phospho.flush()
    return {"returned": returned, "tasks": [task.content for task in wait_for_all(1)]}


def feedback() -> Any:
    before = phospho.new_task()
    early = phospho.user_feedback(before, raw_flag="👍", notes="came first")
    phospho.log(input="Hello", output="Hi!", task_id=before)
    wait_for(phospho.client, before)
    with_early = phospho.client.tasks.get(before).content
    later = phospho.user_feedback(before, flag="failure")
    flagged = phospho.client.flag(before, flag="success", notes="another note")
    return {
        "early": early.content_as_dict(),
        "with_early": with_early,
        "later": later.content,
        "flagged": flagged.content,
    }


def tasks() -> Any:
    client = phospho.client
    created = client.tasks.create(
        session_id="made",
        sender_id="ana",
        input="Is it open?",
        output="Yes.",
        additional_input={"page": 3},
        data={"shop": 7},
    )
    content = created.content
    updated = created.update(
        metadata={"plan": "pro", "user_id": "ben"},
        data={"shop": 8},
        notes="a note",
        flag="failure",
        flag_source="owner",
    )
    created.refresh()
    left = created.update()
    return {
        "created": content.model_dump(),
        "updated": updated.content,
        "refreshed": created.content,
        "left": left.content,
        "all": [task.id for task in client.tasks.get_all()],
    }


def sessions() -> Any:
    client = phospho.client
    made = client.sessions.create(data={"table": 4})
    empty = made.content
    phospho.log(input="One", output="1", session_id=made.id, task_id="one")
    phospho.log(input="Two", output="2", session_id=made.id, task_id="two")
    wait_for(client, "two")
    found = client.sessions.get(made.id)
    found.refresh()
    return {
        "empty": empty,
        "found": found.content,
        "listed": [session.id for session in client.sessions.list()],
        "tasks": [[task.id, task.content["input"]] for task in found.list_tasks()],
    }


def filters() -> Any:
    for name, user, flag in (("a", "ana", "success"), ("b", "ben", "failure"), ("c", "ana", None)):
        phospho.log(
            input=f"Message {name}",
            output="Fine.",
            task_id=name,
            session_id=f"session-{name}",
            user_id=user,
            version_id="v1" if name == "a" else "v2",
            **({"flag": flag} if flag else {}),
        )
    wait_for(phospho.client, "c")
    asked: dict[str, dict[str, Any]] = {
        "none": {},
        "user": {"user_id": "ana"},
        "flag": {"flag": "failure"},
        "both": {"user_id": "ana", "flag": "failure"},
        "ids": {"tasks_ids": ["a", "c", "unknown"]},
        "sessions": {"sessions_ids": ["session-b"]},
        "version": {"version_id": "v2"},
        "excluded": {"excluded_users": ["ana"]},
        "first": {"task_position": 1},
        "search": {"task_id_search": "C"},
        "event": {"event_name": ["nobody defined it"]},
        "past": {"created_at_end": 1_000_000_000},
        "recent": {"created_at_start": int(time.time()) - 3600},
    }
    return {
        name: [task.id for task in phospho.client.fetch_tasks(models.ProjectDataFilters(**values))]
        for name, values in asked.items()
    }


def flat() -> Any:
    phospho.log(input="One", output="1", task_id="one", session_id="s", metadata={"plan": "pro"})
    phospho.log(input="Two", output="2", task_id="two", session_id="s")
    wait_for(phospho.client, "two")
    rows = phospho.client.tasks_flat(limit=10)["flattened_tasks"]
    for row in rows:
        models.FlattenedTask.model_validate(row)
    phospho.client.update_tasks_flat(
        [
            models.FlattenedTask(
                task_id="one", task_eval="failure", task_metadata={"checked": True}
            ),
            models.FlattenedTask(task_id="never logged", task_eval="success"),
        ]
    )
    return {"rows": rows, "after": phospho.client.tasks.get("one").content}


def frames() -> Any:
    phospho.log(input="One", output="1", task_id="one", session_id="s", metadata={"plan": "pro"})
    phospho.log(input="Two", output="2", task_id="two", session_id="s")
    wait_for(phospho.client, "two")
    frame = phospho.tasks_df(with_events=False)
    frame["task_eval"] = "success"
    phospho.push_tasks_df(frame[["task_id", "task_eval"]])
    after = phospho.tasks_df()
    return {"rows": frame.to_dict("records"), "evals": sorted(after["task_eval"])}


def backtest() -> Any:
    """Past inputs go through a new version of a function, which logs what it answers."""
    for number in range(3):
        phospho.log(input=f"Question {number}", output="Old.", task_id=f"t{number}")
    wait_for(phospho.client, "t2")
    test = phospho.PhosphoTest("candidate", api_key, project_id, base_url)

    def answer(message: Any) -> str:
        return f"New: {message.content}"

    test.test(answer, source_loader="backtest", source_loader_params={"sample_size": 3})
    test.run(executor_type="sequential")
    candidates = models.ProjectDataFilters(version_id="candidate")
    wait_until(lambda: len(phospho.client.fetch_tasks(candidates)) == 3)
    return sorted(task.output for task in phospho.client.fetch_tasks(candidates))


def project() -> Any:
    return phospho.client.project_config().model_dump()


def many() -> Any:
    """A thousand events in one body, among them what no database takes as it is."""
    # What is logged now goes by `flush`, all at once.
    phospho.consumer.stop()
    odd = {
        "surrogate": "half \ud800 of a pair",
        "nul": "a\0b",
        "long": "long " * 60_000,
        "emoji": "👩‍👩‍👧",
    }
    for name, text in odd.items():
        phospho.log(input=text, output=text, task_id=name)
    for number in range(996):
        phospho.log(input=f"Message {number}", output="Fine.", task_id=f"t{number}")
    sent = len(phospho.log_queue.events)
    phospho.flush()
    texts = {name: wait_for(phospho.client, name).content["input"] for name in odd}
    left = len(phospho.log_queue.events)
    return {
        "sent": sent,
        "left": left,
        "lengths": {k: len(v) for k, v in texts.items()},
        "texts": texts["nul"],
    }


def bad_event() -> Any:
    """One event that cannot be kept, in the midst of good ones; then all goes on."""
    phospho.log(input="Before", task_id="before")
    phospho.log(input="Bad", task_id="bad", created_at="no time at all", user_id={"no": "id"})
    phospho.log(input="After", task_id="after")
    wait_for(phospho.client, "after")
    phospho.log(input="Later", task_id="later")
    wait_for(phospho.client, "later")
    kept = sorted(task.id for task in phospho.client.tasks.get_all())
    return {"kept": kept, "alive": phospho.consumer.is_alive()}


def overload() -> Any:
    """The server is busy for a while; the other side of this test makes it so."""
    for number in range(50):
        phospho.log(input=f"Message {number}", task_id=f"t{number}")
    while not phospho.consumer.nb_consecutive_errors:
        time.sleep(0.05)
    sys.stdout.write("refused\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(50):
        wait_for(phospho.client, f"t{number}")
    return {"alive": phospho.consumer.is_alive()}


def threads() -> Any:
    """Eight threads log at once; all of it arrives, once."""

    def log(worker: int) -> None:
        for number in range(50):
            phospho.log(input=f"{worker} {number}", task_id=f"{worker}-{number}")

    running = [threading.Thread(target=log, args=(worker,)) for worker in range(8)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    phospho.flush()
    wait_for_all(400)
    time.sleep(0.5)  # nothing comes twice
    return {"kept": len(phospho.client.tasks.get_all())}


if __name__ == "__main__":
    name, base_url, api_key, project_id = sys.argv[1:]
    phospho.init(api_key=api_key, project_id=project_id, base_url=base_url, tick=0.05)
    found = globals()[name]()
    sys.stdout.write(json.dumps(found, default=str) + "\n")
