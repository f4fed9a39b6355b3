"""What the model may say next in a conversation: the grammar, the choice of tools, and the limit of its reasoning."""

from ostinato.agent.events import ReasoningClosed
from ostinato.harmony.grammar import AUTO, NONE, Grammar, GrammarState


class Steering:
    """Makes the constraint of each generation; without a grammar there is none.

    `analysis_limit` is how many tokens of reasoning a generation may have, None for any number.
    """

    def __init__(self, grammar: Grammar | None, *, analysis_limit: int | None) -> None:
        self.grammar = grammar
        self.analysis_limit = analysis_limit
        self._tool_choice = AUTO

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

    def count_call(self) -> None:
        """Let the model go on as it likes once it has made the call that was asked for."""
        if self._tool_choice != NONE:
            self._tool_choice = AUTO

    def constraint(self) -> GrammarState | None:
        """Return the constraint of the next generation."""
        if self.grammar is None:
            return None
        return self.grammar.constraint(tool_choice=self._tool_choice, analysis_limit=self.analysis_limit)


def closed(constraint: GrammarState | None, count: int) -> ReasoningClosed | None:
    """Return what was made to end with the id that is number `count` of its generation, if anything was."""
    closings = constraint.closings if constraint else ()
    for closing in closings:
        if closing.position == count - 1:
            return ReasoningClosed(why=closing.why, tokens=closing.tokens)
    return None
