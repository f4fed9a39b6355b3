"""The python tool: the model's code runs in a sandbox that keeps its state between calls."""

import json

from ostinato.harmony import ToolNamespace
from ostinato.sandbox import Outcome, Sandbox
from ostinato.tools.repair import CallRepair, CallRepairKind
from ostinato.tools.tool import ToolRequest

# gpt-oss was trained on this text and the embedded model knows it word for word: only the limit is filled in.
DESCRIPTION = (
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. "
    "This tool should be used for internal reasoning, but not for code that is intended to be visible to the user "
    "(e.g. when creating plots, tables, or files).\n"
    "\n"
    "When you send a message containing Python code to python, it will be executed in a stateful Jupyter notebook "
    "environment. python will respond with the output of the execution or time out after {seconds:.1f} seconds. "
    "The drive at '/mnt/data' can be used to save and persist user files. "
    "Internet access for this session is disabled."
)
NO_OUTPUT = "[WARN] No output available. Use print() to output anything to stdout to receive the output"


class PythonTool:
    """Runs the model's Python in `sandbox`, which it owns: closing the tool closes the sandbox."""

    name = "python"

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @property
    def namespace(self) -> ToolNamespace:
        """The tool as the system message declares it: free text, no functions."""
        return ToolNamespace(name=self.name, description=DESCRIPTION.format(seconds=self.sandbox.limits.seconds))

    async def call(self, request: ToolRequest) -> str:
        """Run the code and tell the model what came of it.

        Raises:
            SandboxError: if the sandbox itself cannot work.
        """
        code = unwrapped(request.content)
        if code != request.content:
            repair = CallRepair(kind=CallRepairKind.WRAPPED, written=request.content, assumed=code)
            request.repairs.append(repair)
        return outcome_text(await self.sandbox.execute(code))

    async def close(self) -> None:
        """End the sandbox."""
        await self.sandbox.close()


def unwrapped(content: str) -> str:
    """Return the code in `content`: the whole, or what is in `{"code": …}`, as models used to JSON tools write it."""
    if not content.lstrip().startswith("{"):
        return content
    try:
        arguments = json.loads(content, strict=False)
    except (ValueError, RecursionError):
        return content
    if isinstance(arguments, dict) and list(arguments) == ["code"] and isinstance(arguments["code"], str):
        return arguments["code"]
    return content


def outcome_text(outcome: Outcome) -> str:
    """Tell the model what came of its code: output, errors, the last value, the traceback, then what went wrong."""
    parts = [outcome.stdout, outcome.stderr, outcome.result or "", outcome.error or ""]
    parts += [f"[{notice}]" for notice in outcome.notices]
    return "\n".join(part.rstrip("\n") for part in parts if part.rstrip("\n")) or NO_OUTPUT
