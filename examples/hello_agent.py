"""Ask the embedded model a question that it answers by running Python in a sandbox.

python examples/hello_agent.py "What is 48271 * 9931?"
"""

import sys

from ostinato import Agent, PythonTool, load_model, open_sandbox


def main(question: str) -> None:
    """Print the answer, and what was said on the way to it."""
    python = PythonTool(open_sandbox("auto", on_notice=print))
    with Agent(load_model("nano"), tools=[python]) as agent:
        result = agent.run_sync(question)

    for message in result.messages:
        print(f"{message.author.name or message.author.role} ({message.channel}): {message.text}")
    print(f"{result.reason} after {result.turns} turns: {result.text}")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "What is 48271 * 9931?")
