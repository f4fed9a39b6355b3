"""The agent: the loop from a user's text, over generations and tool calls, to an answer.

    text ─▶ Conversation ─▶ render ─▶ ids ─▶ Engine ─▶ ids ─▶ Turn ─▶ messages ─▶ a call? ─▶ Toolbox ─▶ Conversation

Only the agent appends to its conversation, and whatever happens it leaves one that can go on: every call has a reply,
and a message that was cut has an end.
"""

import asyncio
import platform
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Literal, Self

from ostinato import __version__
from ostinato.agent.budget import Budget, OutOfTime, Spent
from ostinato.agent.effort import BY_EFFORT, Effort, limit_of
from ostinato.agent.events import (
    Event,
    Finished,
    MessageAdded,
    Reason,
    ReasoningClosed,
    Repaired,
    ToolFinished,
    ToolStarted,
)
from ostinato.agent.models import Model
from ostinato.agent.run import Result, Run
from ostinato.agent.steering import Steering, closed
from ostinato.agent.trajectory import FORMAT, Trajectory
from ostinato.agent.turn import Turn
from ostinato.engine.interface import Engine, PromptTooLong, Sampling
from ostinato.harmony import (
    Conversation,
    DeveloperContent,
    Message,
    ReasoningEffort,
    Renderer,
    ResponseFormat,
    Role,
    SystemContent,
    Tokenizer,
)
from ostinato.harmony.grammar import AUTO, Grammar
from ostinato.tools import REPLY_SHARE, Tool, Toolbox, is_call, reply_to


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

    Raises:
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
        self.engine = engine
        self.tokenizer = tokenizer or Tokenizer.o200k_harmony()
        reply_chars = max(self.engine.context_length // REPLY_SHARE, 1)
        self.toolbox = tools if isinstance(tools, Toolbox) else Toolbox(tools, reply_chars=reply_chars)
        self.effort = Effort(effort)
        self.budget = budget or Budget()
        self.sampling = sampling or Sampling()
        self.trajectory = trajectory
        self.conversation = Conversation()
        self._renderer = Renderer(self.conversation, self.tokenizer)
        self._unanswered: list[Message] = []
        self._run: Run | None = None
        self._runner: asyncio.Runner | None = None
        self.analysis_limit = limit_of(analysis_limit, self.effort, is_constrained=is_constrained)
        self.is_constrained = is_constrained
        self._open(instructions, current_date or datetime.now().astimezone().date(), response_format)
        schema = None if response_format is None else response_format.schema
        self.grammar = Grammar(self.conversation, self.tokenizer, response_schema=schema) if is_constrained else None
        self._steering = Steering(self.grammar, analysis_limit=self.analysis_limit)

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
                self._record("choice", tool_choice=tool_choice)
            yield self._append(Message.user(text))
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
        )

    def run_sync(self, text: str, *, tool_choice: str = AUTO) -> Result:
        """Work on `text` to the end, from code that is not asynchronous; close the agent with `with` or `close_sync`.

        Raises:
            RuntimeError: inside a running event loop, where `await agent.run(text)` is right.
            EngineError, SandboxError: if the model or the sandbox cannot work.
            ValueError: if there is no such tool to choose.
        """
        return self._own_loop().run(self.run(text, tool_choice=tool_choice))

    async def close(self) -> None:
        """End what runs, and close the tools."""
        if self._run:
            self._abandon(self._run, Reason.INTERRUPTED, "closed")
        await self.toolbox.close()

    def close_sync(self) -> None:
        """Close from code that is not asynchronous."""
        with self._own_loop() as runner:
            self._runner = None
            runner.run(self.close())

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
                while self._unanswered and run.turn and run.turn.is_complete:
                    call = self._unanswered[0]
                    yield ToolStarted(request=call, tool=self.toolbox.own_name(call.recipient))
                    for event in await self._answer(run, call):
                        yield event
        except (OutOfTime, PromptTooLong) as error:
            run.insist()
            for event in self._close_turn(run.turn):
                yield event
            is_late = isinstance(error, OutOfTime)
            finished = run.out_of(Spent.SECONDS) if is_late else run.finished(Reason.CUT, str(error))
        for event in self._settle(run, finished.detail):
            yield event
        self._end(run, finished)
        yield finished

    async def _generate(self, run: Run) -> AsyncGenerator[Event, None]:
        """Let the engine continue the conversation once."""
        prompt = self._renderer.ids()
        sampling, constraint = run.account.sampling(self.sampling), self._steering.constraint()
        stop_ids = self.tokenizer.stop_ids
        ids = self.engine.stream(prompt, sampling=sampling, stop_ids=stop_ids, constraint=constraint)
        turn = Turn(self.tokenizer, recipients=self.toolbox.recipients)
        run.begin(turn)
        try:
            while not turn.is_complete and (number := await run.in_time(anext(ids, None))) is not None:
                run.account.tokens += 1
                for item in turn.feed(number):
                    yield self._taken(item)
                if reasoning := closed(constraint, len(turn.ids)):
                    yield self._taken(reasoning)
        finally:
            run.count_usage(ids.usage)
            await ids.aclose()
        for event in self._close_turn(turn):
            yield event

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
        self._record("tool", recipient=call.recipient, seconds=round(seconds, 6), **full_text)
        repaired = [self._taken(Repaired(repair=repair)) for repair in answer.repairs]
        added = self._append(answer.reply)
        finished = ToolFinished(
            request=call,
            tool=answer.tool or call.recipient or "",
            reply=answer.reply,
            seconds=seconds,
            full_text=answer.full_text,
        )
        return [*repaired, finished, added]

    def _taken(self, item: Event | Message) -> Event:
        if isinstance(item, Message):
            return self._append(item)
        if isinstance(item, Repaired):
            self._record("repair", repair=asdict(item.repair))
        elif isinstance(item, ReasoningClosed):
            self._record("closed", **asdict(item))
        return item

    def _append(self, message: Message) -> MessageAdded:
        self.conversation.append(message)
        if is_call(message):
            self._unanswered.append(message)
            self._steering.count_call()
        elif message.author.role == Role.TOOL:
            del self._unanswered[0]
        if self.trajectory:
            self.trajectory.write_message(message)
        return MessageAdded(message=message)

    def _close_turn(self, turn: Turn | None) -> list[Event]:
        """Take what the parser still holds, once, and record the generation."""
        if turn is None or turn.is_closed:
            return []
        events = [self._taken(item) for item in turn.close()]
        self._record("turn", ids=turn.ids, is_complete=turn.is_complete)
        return events

    def _settle(self, run: Run, why: str) -> list[Event]:
        """Leave a conversation that can go on: the generation closed, and every call with a reply."""
        events = self._close_turn(run.turn)
        while self._unanswered:
            events.append(self._append(reply_to(self._unanswered[0], f"error: no result: {why}")))
        return events

    def _abandon(self, run: Run, reason: Reason, why: str) -> None:
        """End a run that nobody reads any more; one that has ended stays as it is."""
        if self._run is run:
            run.is_abandoned = True
            self._settle(run, why)
            self._end(run, run.finished(reason, why))

    def _end(self, run: Run, finished: Finished) -> None:
        self._run = None
        self._record("finished", **asdict(finished))

    def _open(self, instructions: str | None, today: date, response_format: ResponseFormat | None) -> None:
        """Begin the conversation with what the model is told first."""
        system = SystemContent(
            current_date=today.isoformat(), reasoning_effort=self.effort.told, tools=self.toolbox.system_namespaces
        )
        self._record_start()
        self._append(Message.system(system))
        functions = self.toolbox.function_namespaces
        formats = () if response_format is None else (response_format,)
        if instructions is not None or functions or formats:
            told = DeveloperContent(instructions=instructions, tools=functions, response_formats=formats)
            self._append(Message.developer(told))

    def _own_loop(self) -> asyncio.Runner:
        """Return the one loop of all synchronous runs: a sandbox started on a loop must be used on it again."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._runner = self._runner or asyncio.Runner()
            return self._runner
        raise RuntimeError("an event loop is running here; use `await agent.run(text)`")

    def _record(self, kind: str, /, **fields: object) -> None:
        if self.trajectory:
            self.trajectory.write(kind, **fields)

    def _record_start(self) -> None:
        self._record(
            "run",
            format=FORMAT,
            ostinato=__version__,
            python=platform.python_version(),
            engine=self.engine.name,
            vocabulary=self.tokenizer.encoding.name,
            fingerprint=self.tokenizer.fingerprint,
            effort=self.effort,
            is_constrained=self.is_constrained,
            analysis_limit=self.analysis_limit,
            sampling=asdict(self.sampling),
            budget=asdict(self.budget),
            tools=self.toolbox.recipients,
            time=datetime.now(UTC).isoformat(),
        )
