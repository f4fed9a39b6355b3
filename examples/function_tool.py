"""Give an agent a function of your own, and watch its events.

The model here is a script, as in a test: it says what it is told to, so that the example needs no weights. With
`model = load_model("path/to/gpt-oss-20b")` in its place, everything else stays as it is.

    python examples/function_tool.py
"""

import asyncio
from typing import Literal

from ostinato import Agent, ToolError, scripted_engine, tool
from ostinato.agent.events import Finished, ToolFinished

STOCK = {"violin": 3, "cello": 0}


@tool
def stock(instrument: str, kind: Literal["new", "used"] = "new") -> dict[str, int]:
    """Look up how many instruments of a kind there are.

    Args:
        instrument: Its English name, in the singular.
        kind: New ones, or used ones.
    """
    if instrument not in STOCK:
        raise ToolError(f"no instrument named {instrument!r}; there is {', '.join(STOCK)}")
    return {instrument: STOCK[instrument]}


MODEL = scripted_engine(
    '<|channel|>commentary to=functions.stock <|constrain|>json<|message|>{"instrument": "violins"}<|call|>',
    '<|channel|>commentary to=functions.stock <|constrain|>json<|message|>{"instrument": "violin"}<|call|>',
    "<|channel|>final<|message|>There are 3 new violins.<|return|>",
)


async def main() -> None:
    """Print each call with its answer, and the end."""
    async with Agent(MODEL, tools=[stock], effort="low", instructions="Answer in one sentence.") as agent:
        async for event in agent.stream("How many violins do we have?"):
            match event:
                case ToolFinished(request=request, reply=reply):
                    print(f"{request.recipient}({request.text}) → {reply.text}")
                case Finished(reason=reason, text=text):
                    print(f"{reason}: {text}")


if __name__ == "__main__":
    asyncio.run(main())
