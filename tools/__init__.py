"""What the model can call: the tools, and the toolbox that answers for them."""

from ostinato.tools.arguments import Parameters, read_arguments
from ostinato.tools.function import FunctionTool, tool
from ostinato.tools.python import PythonTool
from ostinato.tools.repair import CallRepair, CallRepairKind
from ostinato.tools.tool import Tool, ToolError, ToolRequest
from ostinato.tools.toolbox import REPLY_SHARE, Answer, Toolbox, is_call, reply_to

__all__ = [
    "REPLY_SHARE",
    "Answer",
    "CallRepair",
    "CallRepairKind",
    "FunctionTool",
    "Parameters",
    "PythonTool",
    "Tool",
    "ToolError",
    "ToolRequest",
    "Toolbox",
    "is_call",
    "read_arguments",
    "reply_to",
    "tool",
]
