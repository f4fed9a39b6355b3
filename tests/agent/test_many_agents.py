"""Agents of the real path on one engine: what each turn sees anew, and that nobody changes what another says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import date
from typing import Literal, Self

import pytest

from ostinato.agent.agent import Agent
from ostinato.agent.budget import Budget
from ostinato.agent.models import Model, load_model, nano_folder
from ostinato.agent.run import Result
from ostinato.engine.interface import Constraint, Sampling, TokenStream
from ostinato.engine.kernels.library import best_library
from ostinato.engine.torch_engine import TorchEngine
from ostinato.tools import tool

needs_kernels = pytest.mark.skipif(best_library() is None, reason="no kernels were built: there was no C++ compiler")
TODAY = date(2026, 1, 2)


@tool
def look(where: Literal["up", "down"]) -> str:
    """Look somewhere."""
    return f"{where} there is nothing but {'sky and ' * 20} more of it"


@tool
def wait(long: bool) -> str:
    """Wait for something."""
    return f"it has come, {long}"


class Recording:
    """An engine that notes its streams."""

    def __init__(self, engine: TorchEngine) -> None:
        self.name, self.vocab_size, self.context_length = engine.name, engine.vocab_size, engine.context_length
        self._engine = engine
        self.streams: list[RecordedStream] = []

    def stream(
        self, ids: Sequence[int], *, sampling: Sampling, stop_ids: Collection[int], constraint: Constraint | None = None
    ) -> TokenStream:
        stream = self._engine.stream(ids, sampling=sampling, stop_ids=stop_ids, constraint=constraint)
        self.streams.append(RecordedStream(stream, list(ids)))
        return self.streams[-1]

    async def aclose(self) -> None:
        await self._engine.aclose()


class RecordedStream:
    """A stream that notes what it was given and has said."""

    def __init__(self, stream: TokenStream, prompt: list[int]) -> None:
        self.usage, self.logprobs = stream.usage, stream.logprobs
        self.prompt, self.ids, self._stream = prompt, list(prompt), stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        self.ids.append(await anext(self._stream))
        return self.ids[-1]

    async def aclose(self) -> None:
        await self._stream.aclose()


@pytest.fixture(params=[pytest.param(True, marks=needs_kernels), False], ids=["kernels", "torch"])
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[TorchEngine]:
    engine = TorchEngine.open(nano_folder(), threads=1, uses_kernels=request.param)
    yield engine
    await engine.aclose()


def nano_agent(engine: "TorchEngine | Recording", number: int = 0, *, is_constrained: bool = True) -> Agent:
    """Return an agent of the embedded model; by its number its tools and effort differ from others'."""
    model = load_model()
    model = Model(name="nano", engine=engine, tokenizer=model.tokenizer, sampling=model.sampling)
    tools: list[Callable[..., object]] = [look, wait]
    effort = ["low", "medium", "high"][number % 4 % 3]
    return Agent(
        model,
        tools=tools[number % 3 :],
        effort=effort,
        current_date=TODAY,
        budget=Budget(turns=3, tokens=250),
        is_constrained=is_constrained,
        analysis_limit=10 + number if is_constrained else None,
    )


async def run(agent: Agent, text: str) -> Result:
    """Run an agent, which must call a tool where it has one that a grammar can make it call."""
    return await agent.run(
        text, tool_choice="required" if agent.is_constrained and agent.toolbox.recipients else "auto"
    )


async def test_each_prompt_is_seen_only_from_where_it_parts_from_all_before(engine: TorchEngine) -> None:
    recording = Recording(engine)
    agent = nano_agent(recording)

    for text in ("What is 12 + 30?", "And 5 + 6?", "Look.", "What is 1.5 + 2?"):
        await agent.run(text, tool_choice="required")

    for index, stream in enumerate(recording.streams):
        best = max((shared(stream.prompt[:-1], other.ids[:-1]) for other in recording.streams[:index]), default=0)
        assert best - 4 <= stream.usage.cached <= best  # the last ids, forced by the grammar, were never seen
    assert len(recording.streams) > 4
    await agent.close()


def shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the ids that two sequences begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, two) in pairs if one != two), min(len(first), len(second)))


@needs_kernels
async def test_sixty_four_agents_at_once_say_what_each_says_alone() -> None:
    texts = [f"What is {number} + {3 * number}?" if number % 2 else f"Look at {number}." for number in range(64)]
    crowd = TorchEngine.open(nano_folder(), threads=1)
    agents = [nano_agent(crowd, number, is_constrained=number % 5 > 0) for number in range(64)]
    together = await asyncio.gather(*(run(agent, text) for agent, text in zip(agents, texts, strict=True)))
    await crowd.aclose()

    single = TorchEngine.open(nano_folder(), threads=1)
    for number, (text, result) in enumerate(zip(texts, together, strict=True)):
        alone = await run(nano_agent(single, number, is_constrained=number % 5 > 0), text)
        assert [message.ids for message in result.messages] == [message.ids for message in alone.messages]
    await single.aclose()
