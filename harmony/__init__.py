"""The harmony format: messages ⇄ token ids. No torch, no network, no files but its own rank table.

Two more modules are public: `interchange`, openai-harmony's JSON, and `grammar`, which ids may come next.
"""

from ostinato.harmony.conversation import Conversation
from ostinato.harmony.dropping import DropAnalysis
from ostinato.harmony.errors import HarmonyError
from ostinato.harmony.message import Author, Channel, Content, Message, Role
from ostinato.harmony.outputs import Delta, Output, ParserState
from ostinato.harmony.parser import StreamParser
from ostinato.harmony.preamble import (
    DeveloperContent,
    JsonSchema,
    ReasoningEffort,
    ResponseFormat,
    SystemContent,
    ToolDescription,
    ToolNamespace,
)
from ostinato.harmony.render import Renderer, render, render_training
from ostinato.harmony.repair import Repair, RepairKind
from ostinato.harmony.tokenizer import Tokenizer
from ostinato.harmony.tool_schema import SchemaMode
from ostinato.harmony.writer import RecipientPosition

__all__ = [
    "Author",
    "Channel",
    "Content",
    "Conversation",
    "Delta",
    "DeveloperContent",
    "DropAnalysis",
    "HarmonyError",
    "JsonSchema",
    "Message",
    "Output",
    "ParserState",
    "ReasoningEffort",
    "RecipientPosition",
    "Renderer",
    "Repair",
    "RepairKind",
    "ResponseFormat",
    "Role",
    "SchemaMode",
    "StreamParser",
    "SystemContent",
    "Tokenizer",
    "ToolDescription",
    "ToolNamespace",
    "render",
    "render_training",
]
