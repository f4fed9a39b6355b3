"""The agent: the loop from a user's text, over generations and tool calls, to an answer.

    text ─▶ Conversation ─▶ render ─▶ ids ─▶ Engine ─▶ ids ─▶ Turn ─▶ messages ─▶ a call? ─▶ Toolbox ─▶ Conversation

Only the agent appends to its conversation, and whatever happens it leaves one that can go on: every call has a reply,
and a message that was cut has an end.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import asdict
from datetime import date, datetime
from types import TracebackType
from typing import Literal, Self

from ostinato.agent.budget import Budget, OutOfTime, Spent
from ostinato.agent.effort import BY_EFFORT, Effort
from ostinato.agent.events import Event, Finished, Reason, Repaired, ToolFinished, ToolStarted
from ostinato.agent.models import Model
from ostinato.agent.opening import first_record, opening_messages, recorded
from ostinato.agent.own_loop import OwnLoop
from ostinato.agent.run import Result, Run
from ostinato.agent.steering import Steering, closed
from ostinato.agent.trajectory import Trajectory
from ostinato.agent.transcript import Transcript
from ostinato.agent.turn import Turn
from ostinato.engine.interface import Engine, PromptTooLong, Sampling
from ostinato.harmony import (
    Message,
    ReasoningEffort,
    ResponseFormat,
    Tokenizer,
)
from ostinato.harmony.grammar import AUTO, Grammar
from ostinato.tools import REPLY_SHARE, Tool, Toolbox


class Agent:
    """A conversation with a model that can call tools.

    A `Model`, as `load_model` gives it, brings its own vocabulary and sampling; with an engine alone they are those of
    gpt-oss. `current_date` is what the model is told for the whole session, by default today. The agent owns its tools
    and closes them with itself; the engine may be shared. One run at a time: a new one ends what is left of the one
    before. A `Toolbox` in place of `tools` has aliases, or another limit of its replies than a quarter of the context.

    A grammar keeps the model to well-formed messages, to the tools there are, and to at most `analysis_limit` tokens of
    reasoning in a generation: None for any number, by default what the effort allows. `is_constrained` False lets it
    write what it likes. With a `response_format` the final answer is JSON of that schema.
    `grammar.notices` say what of the schemas cannot be enforced.

    `effort` and `analysis_limit` can be set anew: the next generation keeps to them. Another effort is told in the
    first message, so the model has to see the whole conversation again.

    Raises:
        TypeError: if the engine is none.
        ValueError: if there is no such effort or limit, or one is asked for that needs the grammar and there is none.
    """

    def __init__(
        self,
        engine: Engine | Model,
        *,
        tokenizer: Tokenizer | None = None,
        tools: Toolbox | Iterable[Tool | Callable[..., object]] = (),
        effort: Effort | ReasoningEffort | str = Effort.MEDIUM,
        instructions: str | None = None,
        budget: Budget | None = None,
        sampling: Sampling | None = None,
        current_date: date | None = None,
        trajectory: Trajectory | None = None,
        response_format: ResponseFormat | None = None,
        is_constrained: bool = True,
        analysis_limit: int | Literal["effort"] | None = BY_EFFORT,
    ) -> None:
        if isinstance(engine, Model):
            tokenizer, sampling, engine = tokenizer or engine.tokenizer, sampling or engine.sampling, engine.engine
        if not hasattr(engine, "stream"):
            raise TypeError(f"the engine is {engine!r}; give an engine, or a model: Agent(load_model('nano'))")
        self.engine = engine
        self.tokenizer = tokenizer or Tokenizer.o200k_harmony()
        reply_chars = max(self.engine.context_length // REPLY_SHARE, 1)
        self.toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools, reply_chars=reply_chars)
        self.budget = budget or Budget()
        self.sampling = sampling or Sampling()
        self.trajectory = trajectory
        self.is_constrained = is_constrained
        self._transcript = Transcript(self.tokenizer, trajectory)
        self.conversation = self._transcript.conversation
        self._run: Run | None = None
        self._own_loop = OwnLoop()
        self._steering = Steering(effort, analysis_limit=analysis_limit, is_constrained=is_constrained)
        told = recorded(self.sampling)
        record = first_record(self.engine, self.tokenizer, self.toolbox, self._steering)
        self._transcript.record("run", **record, sampling=told, budget=asdict(self.budget))
        today = current_date or datetime.now().astimezone().date()
        for message in opening_messages(
            self.toolbox,
            self._steering,
            instructions=instructions,
            current_date=today,
            response_format=response_format,
        ):
            self._transcript.add(message)
        if is_constrained:
            schema = None if response_format is None else response_format.schema
            self._steering.grammar = Grammar(self.conversation, self.tokenizer, response_schema=schema)

    @property
    def grammar(self) -> Grammar | None:
        """What the model is held to, None if to nothing."""
        return self._steering.grammar

    @property
    def effort(self) -> Effort:
        """How long the model is told to reason."""
        return self._steering.effort

    @effort.setter
    def effort(self, effort: Effort | ReasoningEffort | str) -> None:
        self._steer(effort, self._steering.asked_limit)

    @property
    def analysis_limit(self) -> int | None:
        """How many tokens of reasoning a generation may have, None for any number."""
        return self._steering.analysis_limit

    @analysis_limit.setter
    def analysis_limit(self, limit: int | Literal["effort"] | None) -> None:
        self._steer(self.effort, limit)

    async def stream(self, text: str, *, tool_choice: str = AUTO) -> AsyncGenerator[Event, None]:
        """Work on `text` and report; the last event is `Finished`.

        `tool_choice` is "auto", "none" (no calls), "required" (begin with a call) or the tool that must be called
        first. To stop early, cancel the task, or close the iterator (`contextlib.aclosing`).

        Raises:
            EngineError, SandboxError: if the model or the sandbox cannot work.
            ValueError: if there is no such tool to choose.
        """
        self._steering.begin(tool_choice)
        if self._run:
            self._abandon(self._run, Reason.INTERRUPTED, "another run began")
        run = self._run = Run(self.budget)
        try:
            if tool_choice != AUTO:
                self._transcript.record("choice", tool_choice=tool_choice)
            yield self._transcript.add(Message.user(text))
            async with aclosing(self._work(run)) as events:
                async for event in events:
                    yield event
                    run.insist()
        except Exception as error:
            self._abandon(run, Reason.ERROR, f"{type(error).__name__}: {error}")
            raise
        finally:
            self._abandon(run, Reason.INTERRUPTED, "interrupted")

    async def run(self, text: str, *, tool_choice: str = AUTO) -> Result:
        """Work on `text` to the end; see `stream`.

        Raises:
            EngineError, SandboxError: if the model or the sandbox cannot work.
            ValueError: if there is no such tool to choose.
        """
        before = len(self.conversation)
        async with aclosing(self.stream(text, tool_choice=tool_choice)) as events:
            told = [event async for event in events if isinstance(event, Repaired | Finished)]
        finished = told[-1]
        assert isinstance(finished, Finished)
        return Result(
            text=finished.text,
            reason=finished.reason,
            usage=finished.usage,
            turns=finished.turns,
            seconds=finished.seconds,
            messages=tuple(self.conversation)[before:],
            repairs=tuple(event.repair for event in told if isinstance(event, Repaired)),
            detail=finished.detail,
            spent=finished.spent,
            logprobs=finished.logprobs,
        )

    def run_sync(self, text: str, *, tool_choice: str = AUTO) -> Result:
        """Work on `text` to the end, from code that is not asynchronous; close the agent with `with` or `close_sync`.

        Raises:
            RuntimeError: inside a running event loop, where `await agent.run(text)` is right.
            EngineError, SandboxError: if the model or the sandbox cannot work.
            ValueError: if there is no such tool to choose.
        """
        return self._own_loop.run(lambda: self.run(text, tool_choice=tool_choice))

    def answer_now(self) -> bool:
        """Let the run that is going on stop reasoning and answer with what it has; from any task or thread.

        Reasoning ends with the next token. A call that has begun is made, and a tool that is at work is waited for, but
        no other call follows. Return whether there is a run.

        Raises:
            ValueError: without the grammar, which alone ends reasoning.
        """
        if self._run is None:
            return False
        self._steering.answer_now()
        return True

    async def close(self) -> None:
        """End what runs, and close the tools."""
        if self._run:
            self._abandon(self._run, Reason.INTERRUPTED, "closed")
        await self.toolbox.close()

    def close_sync(self) -> None:
        """Close from code that is not asynchronous."""
        self._own_loop.close(self.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close_sync()

    async def _work(self, run: Run) -> AsyncGenerator[Event, None]:
        """Generate and answer calls until something ends the run."""
        try:
            while (finished := run.verdict()) is None:
                async with aclosing(self._generate(run)) as events:
                    async for event in events:
                        yield event
                while self._transcript.unanswered and run.turn and run.turn.is_complete:
                    call = self._transcript.unanswered[0]
                    self._steering.count_call()
                    yield ToolStarted(request=call, tool=self.toolbox.own_name(call.recipient))
                    for event in await self._answer(run, call):
                        yield event
        except (OutOfTime, PromptTooLong) as error:
            run.insist()
            for event in self._transcript.close(run.turn):
                yield event
            is_late = isinstance(error, OutOfTime)
            finished = run.out_of(Spent.SECONDS) if is_late else run.finished(Reason.CUT, str(error))
        for event in self._transcript.settle(run.turn, finished.detail):
            yield event
        self._end(run, finished)
        yield finished

    async def _generate(self, run: Run) -> AsyncGenerator[Event, None]:
        """Let the engine continue the conversation once."""
        self._note_asked(run)
        prompt = self._transcript.prompt()
        sampling, constraint = run.account.sampling(self.sampling), self._steering.constraint()
        stop_ids = self.tokenizer.stop_ids
        ids = self.engine.stream(prompt, sampling=sampling, stop_ids=stop_ids, constraint=constraint)
        turn = Turn(self.tokenizer, recipients=self.toolbox.recipients, usage=ids.usage)
        run.begin(turn)
        try:
            while not turn.is_complete and (number := await run.in_time(anext(ids, None))) is not None:
                run.account.tokens += 1
                self._note_asked(run)
                is_told = sampling.logprobs is not None and bool(ids.logprobs)
                for event in turn.feed(number, ids.logprobs[-1] if is_told else None):
                    yield self._transcript.take(event)
                if reasoning := closed(constraint, len(turn.ids)):
                    yield self._transcript.take(reasoning)
        finally:
            await ids.aclose()
        for event in self._transcript.close(turn):
            yield event

    def _note_asked(self, run: Run) -> None:
        """Record that the answer was asked for, as soon as it is noticed here: other threads write no records."""
        if self._steering.must_answer and not run.is_asked:
            run.is_asked = True
            self._transcript.record("asked")

    async def _answer(self, run: Run, call: Message) -> list[Event]:
        """Let the toolbox answer one call."""
        began = run.account.seconds
        answering = asyncio.ensure_future(self.toolbox.answer(call))
        try:
            answer = await run.in_time(asyncio.shield(answering))
        except asyncio.CancelledError:
            self._abandon(run, Reason.INTERRUPTED, "interrupted")  # first: a tool may take long to let go
            raise
        finally:
            answering.cancel()
            await asyncio.wait([answering])
            if not answering.cancelled():
                answering.exception()  # read, or asyncio complains of a tool that fails as it is stopped
        seconds = run.account.seconds - began
        run.count_call(call, answer)
        full_text = {} if answer.full_text is None else {"full_text": answer.full_text}
        self._transcript.record("tool", recipient=call.recipient, seconds=round(seconds, 6), **full_text)
        repaired = [self._transcript.take(Repaired(repair=repair)) for repair in answer.repairs]
        added = self._transcript.add(answer.reply)
        finished = ToolFinished(
            request=call,
            tool=answer.tool or call.recipient or "",
            reply=answer.reply,
            seconds=seconds,
            full_text=answer.full_text,
        )
        return [*repaired, finished, added]

    def _abandon(self, run: Run, reason: Reason, why: str) -> None:
        """End a run that nobody reads any more; one that has ended stays as it is."""
        if self._run is run:
            run.is_abandoned = True
            self._transcript.settle(run.turn, why)
            self._end(run, run.finished(reason, why))

    def _end(self, run: Run, finished: Finished) -> None:
        self._run = None
        record = asdict(finished)
        del record["logprobs"]  # the turns have them
        self._transcript.record("finished", **record)

    def _steer(self, effort: Effort | str, analysis_limit: int | Literal["effort"] | None) -> None:
        before = self.effort, self.analysis_limit
        self._steering.set(effort, analysis_limit)
        if before != (self.effort, self.analysis_limit):
            self._transcript.tell_effort(self.effort, self.analysis_limit)
