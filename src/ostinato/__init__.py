"""Ostinato: agents on gpt-oss models, from harmony tokens to sandboxed tools.

    from ostinato import Agent, PythonTool, load_model, open_sandbox

    with Agent(load_model("nano"), tools=[PythonTool(open_sandbox())]) as agent:
        print(agent.run_sync("What is 48271 * 9931?").text)

Names load when they are first used: importing the package loads nothing heavy.
"""

from importlib import import_module

TYPE_CHECKING = False  # not that of typing: loading it is most of the time before Ctrl-C is heeded (__main__.py)
if TYPE_CHECKING:
    from ostinato.agent.agent import Agent
    from ostinato.agent.budget import Budget
    from ostinato.agent.events import Event, Finished, Reason
    from ostinato.agent.models import Model, load_model
    from ostinato.agent.run import Result
    from ostinato.agent.scripted import scripted_engine
    from ostinato.agent.trajectory import Trajectory, read_trajectory
    from ostinato.engine.interface import Sampling
    from ostinato.harmony.preamble import ReasoningEffort
    from ostinato.sandbox import Limits, open_sandbox
    from ostinato.tools import PythonTool, Toolbox, ToolError, tool

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Budget",
    "Event",
    "Finished",
    "Limits",
    "Model",
    "PythonTool",
    "Reason",
    "ReasoningEffort",
    "Result",
    "Sampling",
    "ToolError",
    "Toolbox",
    "Trajectory",
    "__version__",
    "load_model",
    "open_sandbox",
    "read_trajectory",
    "scripted_engine",
    "tool",
]

_HOMES = {
    "Agent": "agent.agent",
    "Budget": "agent.budget",
    "Event": "agent.events",
    "Finished": "agent.events",
    "Limits": "sandbox",
    "Model": "agent.models",
    "PythonTool": "tools",
    "Reason": "agent.events",
    "ReasoningEffort": "harmony.preamble",
    "Result": "agent.run",
    "Sampling": "engine.interface",
    "ToolError": "tools",
    "Toolbox": "tools",
    "Trajectory": "agent.trajectory",
    "load_model": "agent.models",
    "open_sandbox": "sandbox",
    "read_trajectory": "agent.trajectory",
    "scripted_engine": "agent.scripted",
    "tool": "tools",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ostinato' has no attribute {name!r}")
    value = getattr(import_module(f"ostinato.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
