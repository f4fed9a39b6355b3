"""GrammarState: which ids may come next in one generation, and what was made to end.

    header ──<|message|>──▶ body ──terminator──▶ header of the next message, or over
       │                      │
       └──────────────────────┴── an id that may not come ──▶ lost: everything is allowed

An engine that keeps to the grammar never gets lost. One that ignores it does, and the parser reads what comes.
Reasoning that reaches its limit, and reasoning or a preamble that repeats itself, is made to end: its terminator is all
that is allowed, and after it no more of the kind. Once the answer is asked for, both end, and only the answer follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ostinato.harmony.grammar_bits import Bits
from ostinato.harmony.grammar_bodies import Anything, Body, End
from ostinato.harmony.grammar_forms import Form
from ostinato.harmony.grammar_headers import Headers, Node, chosen
from ostinato.harmony.grammar_loop import LoopDetector


class Why(StrEnum):
    """Why a message was made to end."""

    LIMIT = "limit"
    LOOP = "loop"
    ASKED = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A message that was made to end: `position` counts the ids of the generation before its terminator.

    `tokens` are the ids of its content.
    """

    why: Why
    position: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the states of a grammar share: it does not change."""

    headers: Headers
    special_ids: Mapping[str, int]
    body_of: Callable[[Form], Body]
    everything: Bits
    lark: Callable[[Sequence[Form]], str]


class GrammarState:
    """A constraint on one generation that begins after `<|start|>assistant`; see `ostinato.engine.Constraint`.

    `analysis_limit` is how many ids of reasoning may come in all, None for any number. `closings` are what was made to
    end so far. `is_lost` says that an id came that was not allowed, and that nothing is enforced any more.
    """

    def __init__(self, rules: Rules, *, analysis_limit: int | None, watches_loops: bool) -> None:
        self.closings: list[Closing] = []
        self.is_lost = False
        self._rules = rules
        self._limit = analysis_limit
        self._loops = LoopDetector() if watches_loops else None
        self._is_looping = False
        self._must_answer = False
        self._position = 0
        self._num_thought = 0
        self._form: Form | None = None
        self._body: Body | None = None
        self._terminator = -1
        self._content_begin = 0
        self._closing: Closing | None = None
        self._node = rules.headers.first(thoughts=self._may_think, preambles=True)

    @property
    def lark(self) -> str:
        """The language as a Lark grammar of llguidance, without the limit and the watch for loops.

        The messages' terminators are part of it; a server's own end-of-text token may be one of them.
        """
        return self._rules.lark(chosen(self._rules.headers.forms, thoughts=self._limit != 0, preambles=True))

    def allowed(self) -> Sequence[int] | Bits:
        """Return the ids that may come next, a few as they are, many as packed bits; none when all is said."""
        return tuple(self._node.children) if self._body is None else self._body.allowed()

    def accept(self, number: int) -> None:
        """Take the id that came."""
        self._position += 1
        if self._body is None:
            self._accept_in_header(number)
        elif number == self._terminator and self._body.can_end:
            self._end_message()
        elif self._body.accept(number):
            if self._form is not None and self._form.is_talk:
                self._watch(number, self._form)
        else:
            self._lose()

    def answer_now(self) -> None:
        """End reasoning and preambles with the next id, and let only the answer follow; from any thread.

        A call that has begun is made. It takes effect in `accept`, so that what was allowed stays so.
        """
        self._must_answer = True

    @property
    def _may_think(self) -> bool:
        return not self._is_looping and (self._limit is None or self._num_thought < self._limit)

    def _accept_in_header(self, number: int) -> None:
        node = self._node.children.get(number)
        if node is None:
            self._lose()
            return
        self._node = node
        self._feed_loops(number)
        if node.form is not None:
            self._begin_content(node.form)

    def _begin_content(self, form: Form) -> None:
        self._form, self._body = form, self._rules.body_of(form)
        self._terminator = self._rules.special_ids[form.terminator]
        self._content_begin = self._position
        if self._must_answer and form.is_talk:
            self._close(Why.ASKED)

    def _watch(self, number: int, form: Form) -> None:
        """Count an id of reasoning or of a preamble, and end the message if it is time."""
        self._feed_loops(number)
        self._num_thought += form.is_thought
        if self._must_answer:
            self._close(Why.ASKED)
        elif self._is_looping:
            self._close(Why.LOOP)
        elif form.is_thought and not self._may_think:
            self._close(Why.LIMIT)

    def _feed_loops(self, number: int) -> None:
        if self._loops is not None and self._loops.feed(number):
            self._is_looping = True

    def _close(self, why: Why) -> None:
        tokens = self._position - self._content_begin
        self._closing = Closing(why=why, position=self._position, tokens=tokens)
        self._body = End(self._terminator)

    def _end_message(self) -> None:
        form, self._form, self._body = self._form, None, None
        if self._closing is not None:
            self.closings.append(self._closing)
            self._closing = None
        if form is None or not form.is_talk:
            self._node = Node()
            return
        if form.is_thought and self._position - 1 == self._content_begin:
            self._num_thought += 1  # reasoning about nothing, over and over, comes to the limit too
        self._node = self._next_header()

    def _next_header(self) -> Node:
        if self._must_answer:
            return self._rules.headers.answer()
        return self._rules.headers.next(thoughts=self._may_think, preambles=not self._is_looping)

    def _lose(self) -> None:
        self.is_lost = True
        self._form = self._closing = None
        self._body = Anything(self._rules.everything)
