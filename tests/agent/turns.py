"""What scripted models say in the tests of the loop, and the tool that they call."""

from collections.abc import Callable

from ostinato.agent.agent import Agent
from ostinato.tools import tool

Check = Callable[[Agent], bool]

THINK = "<|channel|>analysis<|message|>Let me see.<|end|><|start|>assistant"
ANSWER = "<|channel|>final<|message|>It is 5.<|return|>"
ADD = '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a": 2, "b": 3}<|call|>'


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
