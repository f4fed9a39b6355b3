"""ScriptedEngine: an engine that says what it is told to, for tests and replays."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Self

from ostinato.engine.interface import Constraint, EngineError, Sampling, TokenLogprob, Usage


class ScriptedEngine:
    """Answers the first prompt with the first turn of ids, the second with the second, and so on.

    It looks at no prompt but remembers each in `prompts`. A turn ends early at a stop id or the token limit, as any
    engine's does. A constraint is told of every id, so that it reports what it did when they were sampled, but a script
    says what it says.
    """

    def __init__(
        self,
        turns: Iterable[Sequence[int]],
        *,
        name: str = "scripted",
        vocab_size: int = 201_088,
        context_length: int = 131_072,
    ) -> None:
        self.name, self.vocab_size, self.context_length = name, vocab_size, context_length
        self.prompts: list[list[int]] = []
        self._turns = [list(turn) for turn in turns]

    def stream(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Collection[int],
        constraint: Constraint | None = None,
    ) -> "ScriptedStream":
        """Replay the next turn.

        Raises:
            EngineError: if there is none left.
        """
        number = len(self.prompts)
        if number >= len(self._turns):
            raise EngineError(f"the script has {len(self._turns)} turns; prompt {number + 1} finds none left")
        self.prompts.append(list(ids))
        turn = _cut(self._turns[number], sampling.max_tokens, stop_ids)
        return ScriptedStream(turn, Usage(prompt=len(ids)), constraint)

    async def aclose(self) -> None:
        """Do nothing: a script holds nothing."""


class ScriptedStream:
    """The ids of one turn; see TokenStream."""

    def __init__(self, ids: Iterator[int], usage: Usage, constraint: Constraint | None = None) -> None:
        self.usage = usage
        self.logprobs: list[TokenLogprob] = []
        self._ids = ids
        self._constraint = constraint

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> int:
        """Return the next id, once other tasks have had a turn."""
        await asyncio.sleep(0)
        for token in self._ids:
            if self._constraint:
                self._constraint.accept(token)
            self.usage.sampled += 1
            return token
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the turn."""
        self._ids = iter(())


def _cut(turn: list[int], max_tokens: int | None, stop_ids: Collection[int]) -> Iterator[int]:
    """Yield the turn up to its first stop id or the token limit."""
    for token in turn[:max_tokens]:
        yield token
        if token in stop_ids:
            return
