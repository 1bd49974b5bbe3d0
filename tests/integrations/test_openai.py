"""OpenAI logs by itself: every surface once, and nothing changes for the app."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import openai
import pydantic
import pytest

import phospho
from phospho import lifecycle
from phospho.errors import ConfigurationError
from phospho.integrations.openai import instrument_openai, uninstrument_openai
from phospho.testing import Logged
from tests.integrations.openai_server import OpenAIServer, echo, serve_echo
from tests.waiting import PATIENCE_S

ASK: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Qubits?"},
]
ANSWER = echo("Qubits?")


class Answer(pydantic.BaseModel):
    text: str


@pytest.fixture(autouse=True)
def logged(phospho_logged: Logged) -> Logged:
    return phospho_logged


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with serve_echo() as state:
        yield state


@pytest.fixture
def everywhere() -> Iterator[None]:
    instrument_openai()
    yield
    uninstrument_openai()


@pytest.fixture
def client(server: OpenAIServer, everywhere: None) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


@pytest.fixture
def make_async(server: OpenAIServer, everywhere: None) -> Callable[[], openai.AsyncOpenAI]:
    # Of hundreds at the same time, one may have to wait.
    return lambda: openai.AsyncOpenAI(
        api_key="k", base_url=server.url, max_retries=0, timeout=PATIENCE_S
    )


def consume(stream: Any) -> list[Any]:
    return list(stream)


def chat_stream(client: Any) -> Any:
    with client.chat.completions.stream(model="gpt-x", messages=ASK) as stream:
        return list(stream)[-1]


def responses_stream(client: Any) -> Any:
    with client.responses.stream(model="gpt-x", input="Qubits?") as stream:
        stream.until_done()
        return stream.get_final_response()


def raw_stream(client: Any) -> Any:
    raw = client.chat.completions.with_raw_response.create(model="gpt-x", messages=ASK, stream=True)
    stream = raw.parse()
    assert type(stream) is openai.Stream
    return list(stream)


def streaming_response(client: Any) -> Any:
    accessor = client.chat.completions.with_streaming_response
    with accessor.create(model="gpt-x", messages=ASK) as response:
        return response.parse()


def streaming_response_lines(client: Any) -> Any:
    accessor = client.chat.completions.with_streaming_response
    with accessor.create(model="gpt-x", messages=ASK, stream=True) as response:
        return list(response.iter_lines())


def streaming_response_stream(client: Any) -> Any:
    accessor = client.responses.with_streaming_response
    with accessor.create(model="gpt-x", input="Qubits?", stream=True) as response:
        return list(response.parse())


SURFACES: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: c.chat.completions.create(model="gpt-x", messages=ASK),
    "chat, streamed": lambda c: consume(
        c.chat.completions.create(model="gpt-x", messages=ASK, stream=True)
    ),
    "chat, parsed": lambda c: c.chat.completions.parse(
        model="gpt-x", messages=ASK, response_format=Answer
    ),
    "chat, stream helper": chat_stream,
    "responses": lambda c: c.responses.create(model="gpt-x", input="Qubits?"),
    "responses, items": lambda c: c.responses.create(model="gpt-x", input=ASK[1:]),
    "responses, streamed": lambda c: consume(
        c.responses.create(model="gpt-x", input="Qubits?", stream=True)
    ),
    "responses, stream helper": responses_stream,
    "completions": lambda c: c.completions.create(model="gpt-x", prompt="Qubits?"),
    "completions, streamed": lambda c: consume(
        c.completions.create(model="gpt-x", prompt="Qubits?", stream=True)
    ),
    "raw": lambda c: c.chat.completions.with_raw_response.create(
        model="gpt-x", messages=ASK
    ).parse(),
    "raw, not parsed": lambda c: c.chat.completions.with_raw_response.create(
        model="gpt-x", messages=ASK
    ),
    "raw, streamed": raw_stream,
    "streaming response": streaming_response,
    "streaming response, lines": streaming_response_lines,
    "streaming response, streamed": streaming_response_stream,
    "copy": lambda c: c.with_options(timeout=9).chat.completions.create(
        model="gpt-x", messages=ASK
    ),
}


def only(logged: Logged) -> dict[str, Any]:
    [interaction] = logged.interactions
    return interaction


def said(interaction: dict[str, Any]) -> tuple[str, str]:
    """Return both sides; an answer in JSON is that of the helper for structured ones."""
    output = str(interaction["output"]).strip()
    if output.startswith("{"):
        output = Answer.model_validate_json(output).text
    return interaction["input"], output


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("whose", ["class", "instance", "both"])
def test_every_way_to_ask_is_logged_once(
    surface: str, whose: str, server: OpenAIServer, logged: Logged
) -> None:
    ask = SURFACES[surface]
    client = openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)
    without = ask(client)
    assert not logged.interactions
    if whose != "instance":
        instrument_openai()
    if whose != "class":
        assert instrument_openai(client) is client
    try:
        answer = ask(client)
    finally:
        uninstrument_openai()
    interaction = only(logged)
    assert said(interaction) == ("Qubits?", ANSWER)
    assert interaction.get("status", "ok") == "ok"
    assert interaction["model"] == "gpt-x"
    assert interaction["metadata"]["latency_ms"] > 0
    assert type(answer) is type(without)
    if hasattr(answer, "model_dump"):
        assert answer == without
    uninstrument_openai(client)
    ask(client)
    assert len(logged) == 1


async def chat_stream_async(client: Any) -> Any:
    async with client.chat.completions.stream(model="gpt-x", messages=ASK) as stream:
        return [event async for event in stream][-1]


async def responses_stream_async(client: Any) -> Any:
    async with client.responses.stream(model="gpt-x", input="Qubits?") as stream:
        return await stream.get_final_response()


async def consume_async(asked: Any) -> list[Any]:
    return [chunk async for chunk in await asked]


async def raw_stream_async(client: Any) -> Any:
    accessor = client.chat.completions.with_raw_response
    raw = await accessor.create(model="gpt-x", messages=ASK, stream=True)
    return [chunk async for chunk in raw.parse()]


async def streaming_response_async(client: Any) -> Any:
    accessor = client.chat.completions.with_streaming_response
    async with accessor.create(model="gpt-x", messages=ASK) as response:
        return await response.json()


ASYNC_SURFACES: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: c.chat.completions.create(model="gpt-x", messages=ASK),
    "chat, streamed": lambda c: consume_async(
        c.chat.completions.create(model="gpt-x", messages=ASK, stream=True)
    ),
    "chat, parsed": lambda c: c.chat.completions.parse(
        model="gpt-x", messages=ASK, response_format=Answer
    ),
    "chat, stream helper": chat_stream_async,
    "responses": lambda c: c.responses.create(model="gpt-x", input="Qubits?"),
    "responses, streamed": lambda c: consume_async(
        c.responses.create(model="gpt-x", input="Qubits?", stream=True)
    ),
    "responses, stream helper": responses_stream_async,
    "completions": lambda c: c.completions.create(model="gpt-x", prompt="Qubits?"),
    "raw": lambda c: c.chat.completions.with_raw_response.create(model="gpt-x", messages=ASK),
    "raw, streamed": raw_stream_async,
    "streaming response": streaming_response_async,
    "copy": lambda c: c.with_options(timeout=9).chat.completions.create(
        model="gpt-x", messages=ASK
    ),
}


@pytest.mark.parametrize("surface", ASYNC_SURFACES)
@pytest.mark.parametrize("whose", ["class", "instance", "both"])
def test_every_way_to_ask_asynchronously_is_logged_once(
    surface: str, whose: str, server: OpenAIServer, logged: Logged
) -> None:
    async def run() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as client:
            if whose != "instance":
                instrument_openai()
            if whose != "class":
                assert instrument_openai(client) is client
            try:
                await ASYNC_SURFACES[surface](client)
            finally:
                uninstrument_openai()

    asyncio.run(run())
    interaction = only(logged)
    assert said(interaction) == ("Qubits?", ANSWER)
    assert interaction.get("status", "ok") == "ok"


def test_asynchronous_clients_of_azure_are_logged(
    server: OpenAIServer, everywhere: None, logged: Logged
) -> None:
    async def run() -> None:
        async with openai.AsyncAzureOpenAI(
            api_key="k", api_version="2025-01-01", base_url=server.url, max_retries=0
        ) as client:
            await client.chat.completions.create(model="gpt-x", messages=ASK)

    asyncio.run(run())
    assert said(only(logged)) == ("Qubits?", ANSWER)


def test_azure_is_logged(server: OpenAIServer, everywhere: None, logged: Logged) -> None:
    with openai.AzureOpenAI(
        api_key="k", api_version="2025-01-01", base_url=server.url, max_retries=0
    ) as client:
        client.chat.completions.create(model="gpt-x", messages=ASK)
    assert said(only(logged)) == ("Qubits?", ANSWER)


def test_the_client_of_the_module_is_logged(
    server: OpenAIServer, everywhere: None, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "api_key", "k")
    monkeypatch.setattr(openai, "base_url", server.url)
    openai.chat.completions.create(model="gpt-x", messages=ASK)
    assert said(only(logged)) == ("Qubits?", ANSWER)
    assert openai._client is not None
    openai._client.close()
    monkeypatch.setattr(openai, "_client", None)


def test_what_is_no_interaction_is_not_logged(client: openai.OpenAI, logged: Logged) -> None:
    client.embeddings.create(model="e", input="Qubits?")
    assert len(logged) == 0


def test_facts_are_those_of_the_answer(client: openai.OpenAI, logged: Logged) -> None:
    client.chat.completions.create(model="gpt-x", messages=ASK, user="ann")
    interaction = only(logged)
    assert interaction["system_prompt"] == "Be brief."
    assert interaction["total_tokens"] == 27
    assert interaction["finish_reason"] == "stop"
    assert interaction["user_id"] == "ann"
    assert "steps" not in interaction


def test_a_stream_tells_when_its_first_token_came(client: openai.OpenAI, logged: Logged) -> None:
    stream = client.chat.completions.create(
        model="gpt-x", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    assert len(logged) == 0
    list(stream)
    interaction = only(logged)
    assert interaction["total_tokens"] == 27
    times = interaction["metadata"]
    assert 0 < times["time_to_first_token_ms"] <= times["latency_ms"]


def test_retries_are_one_call(server: OpenAIServer, everywhere: None, logged: Logged) -> None:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=2) as client:
        question: Any = [{"role": "user", "content": "retried?"}]
        before = len(server.requests)
        client.chat.completions.create(model="flaky", messages=question)
    assert len(server.requests) - before == 2
    assert said(only(logged)) == ("retried?", echo("retried?"))


def test_what_is_refused_is_logged_and_raised(client: openai.OpenAI, logged: Logged) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="refused", messages=ASK)
    interaction = only(logged)
    assert (interaction["input"], interaction["output"]) == ("Qubits?", None)
    assert interaction["status"] == "error"
    assert interaction["error"] == {"type": "BadRequestError", "message": str(caught.value)}


def test_an_answer_that_cannot_be_parsed_is_kept(client: openai.OpenAI, logged: Logged) -> None:
    with pytest.raises(pydantic.ValidationError):
        client.chat.completions.parse(model="unparsable", messages=ASK, response_format=Answer)
    interaction = only(logged)
    assert (interaction["status"], interaction["output"]) == ("error", ANSWER)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="cut", messages=ASK, response_format=Answer)
    assert said(logged.interactions[-1]) == ("Qubits?", ANSWER)


def start(client: Any, model: str = "gpt-x") -> Any:
    return client.chat.completions.create(model=model, messages=ASK, stream=True)


class TestStreamsThatDoNotEnd:
    """The rows of the reference: each is logged once, with what came."""

    def test_closed_after_the_first(self, client: openai.OpenAI, logged: Logged) -> None:
        stream = start(client)
        next(stream), next(stream)
        stream.close()
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", "Echo ")

    def test_left_by_break_in_a_with_block(self, client: openai.OpenAI, logged: Logged) -> None:
        with start(client) as stream:
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", "Echo ")

    def test_a_helper_left_by_break(self, client: openai.OpenAI, logged: Logged) -> None:
        with client.chat.completions.stream(model="gpt-x", messages=ASK) as stream:
            for event in stream:
                if event.type == "content.delta" and event.delta:
                    break
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", "Echo ")

    def test_dropped(self, client: openai.OpenAI, logged: Logged) -> None:
        for chunk in start(client):
            if chunk.choices[0].delta.content:
                break
        del chunk
        gc.collect()
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", "Echo ")

    def test_an_error_in_the_stream(self, client: openai.OpenAI, logged: Logged) -> None:
        with pytest.raises(openai.APIError, match="overloaded"):
            list(start(client, "failing"))
        interaction = only(logged)
        assert (interaction["status"], interaction["output"]) == ("error", ANSWER)
        assert interaction["error"] == {"type": "APIError", "message": "overloaded"}

    def test_a_connection_that_breaks(self, client: openai.OpenAI, logged: Logged) -> None:
        # Before version 3 it was the error of httpx.
        with pytest.raises((openai.APIConnectionError, httpx.ReadError)) as caught:
            list(start(client, "broken"))
        interaction = only(logged)
        assert (interaction["status"], interaction["output"]) == ("error", ANSWER)
        assert interaction["error"]["type"] == type(caught.value).__name__

    def test_a_raw_one_that_is_never_parsed(self, client: openai.OpenAI, logged: Logged) -> None:
        accessor = client.chat.completions.with_raw_response
        accessor.create(model="gpt-x", messages=ASK, stream=True)
        gc.collect()
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", None)

    def test_a_response_closed_unread(self, client: openai.OpenAI, logged: Logged) -> None:
        accessor = client.chat.completions.with_streaming_response
        with accessor.create(model="gpt-x", messages=ASK):
            pass
        assert (only(logged)["status"], only(logged)["output"]) == ("incomplete", None)


async def wait_for_text(stream: AsyncIterator[Any]) -> None:
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            return


@pytest.mark.parametrize("how", ["cancelled", "closed", "left"])
def test_an_async_stream_that_does_not_end(
    how: str, make_async: Callable[[], openai.AsyncOpenAI], server: OpenAIServer, logged: Logged
) -> None:
    async def run() -> None:
        async with make_async() as client:
            stream = await start(client, "slow")
            await wait_for_text(stream)
            if how == "cancelled":
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(consume_rest(stream), 0.05)
            elif how == "closed":
                await stream.close()
            else:
                del stream
                gc.collect()
                await asyncio.sleep(0)

    server.released.clear()
    asyncio.run(run())
    server.released.set()
    status = "cancelled" if how == "cancelled" else "incomplete"
    assert only(logged)["status"] == status
    assert only(logged)["output"].startswith("Echo ")


async def consume_rest(stream: Any) -> None:
    async for _ in stream:
        pass


def test_a_call_that_is_cancelled(
    make_async: Callable[[], openai.AsyncOpenAI], logged: Logged
) -> None:
    async def run() -> None:
        async with make_async() as client:
            asked = client.chat.completions.create(model="slow", messages=ASK)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asked, 0.01)

    asyncio.run(run())
    assert only(logged)["status"] == "cancelled"


class TestWhose:
    """Session, user and metadata."""

    def test_metadata_names_them(self, client: openai.OpenAI, logged: Logged) -> None:
        told = {"session_id": "s1", "user_id": "u1", "version_id": "v1", "plan": "pro"}
        client.chat.completions.create(model="gpt-x", messages=ASK, metadata=told, store=True)
        interaction = only(logged)
        ids = [interaction[name] for name in ("session_id", "user_id", "version_id")]
        assert ids == ["s1", "u1", "v1"]
        assert interaction["metadata"]["request_metadata"]["plan"] == "pro"

    def test_headers_name_them_and_stay_here(
        self, client: openai.OpenAI, server: OpenAIServer, logged: Logged
    ) -> None:
        headers = {
            "phospho-session-id": "s1", "Phospho-User-Id": "u1", "phospho-metadata-plan": "pro",
            "phospho-task-id": "t1", "x-own": "1",
        }  # fmt: skip
        client.chat.completions.create(model="gpt-x", messages=ASK, extra_headers=headers)
        interaction = only(logged)
        ids = [interaction[name] for name in ("session_id", "user_id", "task_id")]
        assert ids == ["s1", "u1", "t1"]
        assert interaction["metadata"]["plan"] == "pro"
        sent = server.headers[-1]
        assert sent["x-own"] == "1"
        assert not [name for name in sent if name.startswith("phospho")]

    def test_the_session_around_the_call(self, client: openai.OpenAI, logged: Logged) -> None:
        with phospho.session("s1", user_id="u1"):
            client.chat.completions.create(model="gpt-x", messages=ASK, user="hash")
            stream = start(client)
        list(stream)
        assert [i["session_id"] for i in logged.interactions] == ["s1", "s1"]
        assert [i["user_id"] for i in logged.interactions] == ["u1", "u1"]

    def test_responses_that_go_on_are_one_session(
        self, client: openai.OpenAI, logged: Logged
    ) -> None:
        first = client.responses.create(model="gpt-x", input="one")
        list(
            client.responses.create(
                model="gpt-x", input="two", previous_response_id=first.id, stream=True
            )
        )
        client.responses.create(model="gpt-x", input="three", previous_response_id="resp_two")
        client.responses.create(model="gpt-x", input="four", conversation="conv_1")
        sessions = [i["session_id"] for i in logged.interactions]
        assert len(set(sessions[:3])) == 1
        assert sessions[3] == "conv_1"


class TestInside:
    """A call inside a wrapped function is a step of it."""

    def test_of_a_function(self, client: openai.OpenAI, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "1"}]
            )
            asked = client.chat.completions.create(model="gpt-x", messages=ASK)
            return f"So: {asked.choices[0].message.content}"

        answer("What are they?")
        interaction = only(logged)
        assert (interaction["input"], interaction["output"]) == ("What are they?", f"So: {ANSWER}")
        assert (interaction["model"], interaction["total_tokens"]) == ("gpt-x", 54)
        first, second = interaction["steps"]
        assert (first["kind"], first["name"], first["input"]) == ("llm", "small", "1")
        assert (second["output"], second["usage"]["total_tokens"]) == (ANSWER, 27)
        assert second["duration_ms"] > 0

    @pytest.mark.parametrize("model", ["gpt-x", "failing"])
    def test_of_a_generator(self, model: str, client: openai.OpenAI, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> Iterator[str]:
            for chunk in start(client, model):
                yield chunk.choices[0].delta.content or ""

        with pytest.raises(openai.APIError) if model == "failing" else nothing():
            assert "".join(answer("What?")) == ANSWER
        [step] = only(logged)["steps"]
        assert step["output"] == ANSWER
        assert ("error" in step) == (model == "failing")
        client.chat.completions.create(model="gpt-x", messages=ASK)
        assert len(logged) == 2

    def test_of_an_async_generator(
        self, make_async: Callable[[], openai.AsyncOpenAI], logged: Logged
    ) -> None:
        async def run() -> None:
            async with make_async() as client:

                @phospho.wrap
                async def answer(question: str) -> AsyncIterator[str]:
                    async for chunk in await start(client):
                        yield chunk.choices[0].delta.content or ""

                assert "".join([piece async for piece in answer("What?")]) == ANSWER
                await client.chat.completions.create(model="gpt-x", messages=ASK)

        asyncio.run(run())
        inner, own = logged.interactions
        assert [step["output"] for step in inner["steps"]] == [ANSWER]
        assert "steps" not in own

    @pytest.mark.parametrize("stream", [False, True])
    def test_the_tokens_of_all_its_calls_add_up(
        self, stream: bool, client: openai.OpenAI, logged: Logged
    ) -> None:
        @phospho.wrap
        def answer(question: str) -> Any:
            client.chat.completions.create(model="small", messages=ASK)
            more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            return client.chat.completions.create(model="gpt-x", messages=ASK, **more)  # type: ignore[call-overload]

        returned = answer("What?")
        if stream:
            list(returned)
        interaction = only(logged)
        assert said(interaction) == ("What?", ANSWER)
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        assert [interaction[name] for name in counts] == [42, 12, 54]
        last = interaction["steps"][-1]
        assert (last["output"].strip(), last["usage"]["total_tokens"]) == (ANSWER, 27)
        assert last["duration_ms"] > 0

    def test_what_raises_is_a_step_too(self, client: openai.OpenAI, logged: Logged) -> None:
        @phospho.wrap
        def answer(question: str) -> str:
            try:
                client.chat.completions.create(model="refused", messages=ASK)
            except openai.BadRequestError:
                return "Sorry."
            return "?"

        answer("What?")
        [step] = only(logged)["steps"]
        assert step["error"]["type"] == "BadRequestError"
        assert only(logged).get("status", "ok") == "ok"


class nothing:  # noqa: N801 - reads as a context manager
    def __enter__(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...


class TestInTheBackground:
    """A response that is made in the background is logged when the app has its answer."""

    def test_is_logged_when_it_is_there(self, client: openai.OpenAI, logged: Logged) -> None:
        asked = client.responses.create(model="gpt-x", input="later", background=True)
        assert asked.status == "queued"
        assert client.responses.retrieve(asked.id).status == "in_progress"
        assert len(logged) == 0
        for _ in range(2):
            assert client.responses.retrieve(asked.id).status == "completed"
        assert said(only(logged)) == ("later", echo("later"))
        client.responses.retrieve("resp_of another process")
        assert len(logged) == 1

    def test_asynchronously(
        self, make_async: Callable[[], openai.AsyncOpenAI], logged: Logged
    ) -> None:
        async def run() -> None:
            async with make_async() as client:
                asked = await client.responses.create(model="gpt-x", input="slow", background=True)
                for _ in range(2):
                    await client.responses.retrieve(asked.id)

        asyncio.run(run())
        assert said(only(logged)) == ("slow", echo("slow"))

    def test_what_nobody_asks_for_again_is_incomplete(
        self, client: openai.OpenAI, logged: Logged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("phospho.integrations.openai.calls._MAX_WAITING", 1)
        for question in ("first", "second"):
            client.responses.create(model="gpt-x", input=question, background=True)
        assert only(logged)["input"] == "first"
        lifecycle._leave_streams()
        assert [i["status"] for i in logged.interactions] == ["incomplete"] * 2


def test_concurrent_calls_have_their_own_answers(
    make_async: Callable[[], openai.AsyncOpenAI], logged: Logged
) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> None:
        question: Any = [{"role": "user", "content": f"number {number}"}]
        with phospho.session(f"session {number}"):
            asked: Any = await client.chat.completions.create(
                model="gpt-x", messages=question, stream=bool(number % 2)
            )
        if number % 2:
            async for _ in asked:
                await asyncio.sleep(0)

    async def run() -> None:
        async with make_async() as client:
            await asyncio.gather(*(ask(client, number) for number in range(200)))

    asyncio.run(run())
    assert len(logged) == 200
    for interaction in logged.interactions:
        assert interaction["output"].strip() == echo(interaction["input"])
        assert interaction["session_id"] == interaction["input"].replace("number", "session")


def test_everything_is_restored_exactly(server: OpenAIServer) -> None:
    client = openai.OpenAI(api_key="k", base_url=server.url)
    kinds = (openai.OpenAI, openai.AsyncOpenAI)
    before = [dict(vars(kind)) for kind in kinds], dict(vars(client))
    for _ in range(2):
        instrument_openai()
        instrument_openai(client)
    assert inspect.signature(client.request) == inspect.signature(
        openai.OpenAI.request.__get__(client)
    )
    assert inspect.iscoroutinefunction(openai.AsyncOpenAI.request)
    uninstrument_openai()
    uninstrument_openai(client)
    assert ([dict(vars(kind)) for kind in kinds], dict(vars(client))) == before
    uninstrument_openai()
    client.close()


def test_what_is_no_client_is_refused_with_what_to_pass() -> None:
    with pytest.raises(ConfigurationError, match=r"openai\.OpenAI"):
        instrument_openai("sk-key")


def test_a_mistake_of_ours_costs_the_app_nothing(
    client: openai.OpenAI, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("calls.fields_of", "calls._body_of", "find_outer"):
        with monkeypatch.context() as patch:
            patch.setattr(f"phospho.integrations.openai.{name}", lambda *args: 1 / 0)
            answer = client.chat.completions.with_raw_response.create(model="gpt-x", messages=ASK)
            assert answer.parse().choices[0].message.content == ANSWER


class TestOthers:
    """What other libraries and the app's own tasks do beside us."""

    def test_a_patch_of_others_in_front_of_ours_stays(
        self, server: OpenAIServer, logged: Logged
    ) -> None:
        instrument_openai()
        ours = openai.OpenAI.request
        counted: list[str] = []

        @functools.wraps(ours)
        def theirs(*args: Any, **kwargs: Any) -> Any:
            counted.append("theirs")
            return ours(*args, **kwargs)

        try:
            openai.OpenAI.request = theirs  # type: ignore[method-assign]
            uninstrument_openai()
            assert openai.OpenAI.request is theirs
            with openai.OpenAI(api_key="k", base_url=server.url) as client:
                client.chat.completions.create(model="gpt-x", messages=ASK)
                assert (counted, len(logged)) == (["theirs"], 0)
                instrument_openai()
                client.chat.completions.create(model="gpt-x", messages=ASK)
                assert (counted, len(logged)) == (["theirs"] * 2, 1)
        finally:
            openai.OpenAI.request = ours  # type: ignore[method-assign]
            uninstrument_openai()
        assert "request" not in vars(openai.OpenAI)

    def test_copies_of_a_client_log_no_more_either(
        self, server: OpenAIServer, logged: Logged
    ) -> None:
        client = instrument_openai(openai.OpenAI(api_key="k", base_url=server.url))
        copied = client.with_options(timeout=9)
        uninstrument_openai(client)
        copied.chat.completions.create(model="gpt-x", messages=ASK)
        assert len(logged) == 0
        client.close()

    def test_our_headers_stay_here_whatever_is_asked(
        self, client: openai.OpenAI, server: OpenAIServer
    ) -> None:
        client.embeddings.create(model="e", input="x", extra_headers={"phospho-session-id": "s1"})
        assert not [name for name in server.headers[-1] if name.startswith("phospho")]

    def test_a_task_begun_by_a_request_asks_for_itself(
        self, server: OpenAIServer, everywhere: None, logged: Logged
    ) -> None:
        tasks: list[Any] = []

        async def run() -> None:
            async def ask_later() -> None:
                await asyncio.sleep(0.01)
                await asking.chat.completions.create(model="gpt-x", messages=ASK)

            async def begin_another(request: Any) -> None:
                if not tasks:
                    tasks.append(asyncio.ensure_future(ask_later()))

            hooks = {"request": [begin_another]}
            async with openai.AsyncOpenAI(
                api_key="k",
                base_url=server.url,
                http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks),
            ) as asking:
                await asking.chat.completions.create(model="gpt-x", messages=ASK)
                await tasks[0]

        asyncio.run(run())
        assert len(logged) == 2

    def test_an_unread_response_is_let_go_as_without_us(
        self, client: openai.OpenAI, logged: Logged
    ) -> None:
        def is_let_go_at_once() -> bool:
            accessor = client.chat.completions.with_raw_response
            raw = accessor.create(model="gpt-x", messages=ASK, stream=True)
            dropped = weakref.ref(raw)
            del raw
            return dropped() is None

        gc.collect()
        gc.disable()
        try:
            with_us = is_let_go_at_once()
            uninstrument_openai()
            assert is_let_go_at_once() == with_us
        finally:
            gc.enable()
        gc.collect()
        assert only(logged)["status"] == "incomplete"

    def test_no_class_of_clients_goes_another_way(self, everywhere: None) -> None:
        made = [kind for kind in list(vars(openai).values()) if isinstance(kind, type)]
        for base in (openai.OpenAI, openai.AsyncOpenAI):
            clients = [kind for kind in made if issubclass(kind, base)]
            assert len(clients) > 1
            assert all(kind.request is base.request for kind in clients)
