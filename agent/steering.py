"""What the model may say next in a conversation: the grammar, the choice of tools, and the limit of its reasoning."""

from typing import Literal

from ostinato.agent.effort import Effort, limit_of
from ostinato.agent.events import ReasoningClosed
from ostinato.harmony.grammar import AUTO, NONE, Grammar, GrammarState


class Steering:
    """Makes the constraint of each generation once it has its `grammar`; without one there is none.

    Raises:
        ValueError: if there is no such effort or limit, or one is asked for that needs a grammar.
    """

    def __init__(
        self,
        effort: Effort | str,
        *,
        analysis_limit: int | Literal["effort"] | None,
        is_constrained: bool,
    ) -> None:
        self.grammar: Grammar | None = None
        self.is_constrained = is_constrained
        self.must_answer = False
        self._tool_choice = AUTO
        self._constraint: GrammarState | None = None
        self.set(effort, analysis_limit)

    def set(self, effort: Effort | str, analysis_limit: int | Literal["effort"] | None) -> None:
        """Say how long may be reasoned from the next generation on; `analysis_limit` "effort" is by the effort.

        Raises:
            ValueError: as when it is made; nothing has changed then.
        """
        effort = Effort(effort)
        self.analysis_limit = limit_of(analysis_limit, effort, is_constrained=self.is_constrained)
        self.effort, self.asked_limit = effort, analysis_limit

    def begin(self, tool_choice: str) -> None:
        """Begin a run.

        Raises:
            ValueError: if there is no such choice, or nothing to enforce it with.
        """
        if self.grammar is None and tool_choice != AUTO:
            raise ValueError(f"tool_choice is {tool_choice!r}, which needs the grammar; leave is_constrained True")
        if self.grammar is not None:
            self.grammar.constraint(tool_choice=tool_choice)  # refuses what cannot be chosen
        self._tool_choice = tool_choice
        self._constraint, self.must_answer = None, False

    def count_call(self) -> None:
        """Let the model go on as it likes once it has made the call that was asked for."""
        if self._tool_choice != NONE:
            self._tool_choice = AUTO

    def constraint(self) -> GrammarState | None:
        """Return the constraint of the next generation."""
        if self.grammar is None:
            return None
        if self.must_answer:
            return self.grammar.constraint(tool_choice=NONE, analysis_limit=0)
        self._constraint = self.grammar.constraint(tool_choice=self._tool_choice, analysis_limit=self.analysis_limit)
        if self.must_answer:  # since it was asked for in another thread
            self._constraint.answer_now()
        return self._constraint

    def answer_now(self) -> None:
        """Let only the answer follow in this run; from any thread.

        Raises:
            ValueError: if there is nothing to hold the model to it.
        """
        if self.grammar is None:
            raise ValueError("only the grammar ends reasoning; leave is_constrained True")
        self.must_answer = True
        if self._constraint is not None:
            self._constraint.answer_now()


def closed(constraint: GrammarState | None, count: int) -> ReasoningClosed | None:
    """Return what was made to end with the id that is number `count` of its generation, if anything was."""
    closings = constraint.closings if constraint else ()
    for closing in closings:
        if closing.position == count - 1:
            return ReasoningClosed(why=closing.why, tokens=closing.tokens)
    return None
