"""JSON schema → TypeScript: how the model is told what arguments a function takes."""

from enum import StrEnum

from ostinato.harmony import tool_schema_parity
from ostinato.harmony.preamble import JsonSchema


class SchemaMode(StrEnum):
    """How schemas become TypeScript."""

    FIXED = "fixed"
    PARITY = "parity"


def parameter_type(schema: JsonSchema, mode: SchemaMode) -> str:
    """Write the type of a function's parameters."""
    return tool_schema_parity.typescript(schema)
