"""What the model can call: the tools, and the toolbox that answers for them."""

from ostinato.tools.function import FunctionTool, tool
from ostinato.tools.python import PythonTool
from ostinato.tools.tool import Tool, ToolError, ToolRequest
from ostinato.tools.toolbox import Answer, CallRepair, Toolbox, is_call, reply_to

__all__ = [
    "Answer",
    "CallRepair",
    "FunctionTool",
    "PythonTool",
    "Tool",
    "ToolError",
    "ToolRequest",
    "Toolbox",
    "is_call",
    "reply_to",
    "tool",
]
