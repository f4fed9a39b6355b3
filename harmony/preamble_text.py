"""The text of the system and developer messages, line by line as gpt-oss was trained on it."""

import json
from collections.abc import Iterable

from ostinato.harmony.errors import HarmonyError
from ostinato.harmony.preamble import DeveloperContent, ResponseFormat, SystemContent, ToolDescription, ToolNamespace
from ostinato.harmony.tool_schema import SchemaMode, parameters
from ostinato.harmony.type_names import TypeNames

FUNCTIONS = "functions"  # the namespace whose calls must go to the commentary channel


def system_text(content: SystemContent, *, has_functions: bool, schema_mode: SchemaMode) -> str:
    """Write the system message; `has_functions` says whether a developer message declares functions."""
    facts = [
        ("", content.model_identity),
        ("Knowledge cutoff: ", content.knowledge_cutoff),
        ("Current date: ", content.current_date),
    ]
    lines = [label + fact for label, fact in facts if fact is not None]
    sections = ["\n".join(lines)] if lines else []
    if content.reasoning_effort is not None:
        sections.append(f"Reasoning: {content.reasoning_effort}")
    if content.tools:
        sections.append(_tools_section(content.tools, schema_mode))
    if content.valid_channels:
        sections.append(_channels_section(content, has_functions=has_functions))
    return "\n\n".join(sections)


def developer_text(content: DeveloperContent, *, schema_mode: SchemaMode) -> str:
    """Write the developer message.

    Raises:
        HarmonyError: if the schema of a response format is no JSON.
    """
    sections = []
    if content.instructions is not None:
        sections.append(f"# Instructions\n\n{content.instructions}")
    if content.tools:
        sections.append(_tools_section(content.tools, schema_mode))
    if content.response_formats:
        sections += ["# Response Formats", *map(_response_format, content.response_formats)]
    return "\n\n".join(sections)


def declares_functions(content: object) -> bool:
    """Whether this is developer content with at least one function."""
    return isinstance(content, DeveloperContent) and any(
        namespace.name == FUNCTIONS and namespace.tools for namespace in content.tools
    )


def _channels_section(content: SystemContent, *, has_functions: bool) -> str:
    text = f"# Valid channels: {', '.join(content.valid_channels)}."
    if content.channel_required:
        text += " Channel must be included for every message."
    if has_functions:
        text += f"\nCalls to these tools must go to the commentary channel: '{FUNCTIONS}'."
    return text


def _tools_section(namespaces: Iterable[ToolNamespace], schema_mode: SchemaMode) -> str:
    ordered = sorted(namespaces, key=lambda namespace: namespace.name)
    return "\n\n".join(["# Tools", *(_namespace(namespace, schema_mode) for namespace in ordered)])


def _namespace(namespace: ToolNamespace, schema_mode: SchemaMode) -> str:
    lines = [f"## {namespace.name}\n"]
    description = _lines(namespace.description or "")
    if not namespace.tools:
        return "\n".join(lines + description)
    lines += _comment(description)
    lines.append(f"namespace {namespace.name} {{\n")
    names = TypeNames(tool.name for tool in namespace.tools)
    lines += [line for tool in namespace.tools for line in _tool(tool, schema_mode, names)]
    lines.append(f"}} // namespace {namespace.name}")
    return "\n".join(lines)


def _tool(tool: ToolDescription, schema_mode: SchemaMode, names: TypeNames) -> list[str]:
    head = _comment(_lines(tool.description))
    if tool.parameters is None:
        return [*head, f"type {tool.name} = () => any;\n"]
    written = parameters(tool.parameters, schema_mode, names)
    return [*written.declarations, *head, f"type {tool.name} = (_: {written.type}) => any;\n"]


def _response_format(form: ResponseFormat) -> str:
    """Write a form of the answer (https://cookbook.openai.com/articles/openai-harmony#structured-output)."""
    try:
        schema = json.dumps(form.schema, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise HarmonyError(
            f"the schema of response format {form.name!r} is no JSON ({error}); give a JSON schema"
        ) from error
    return "\n".join([f"## {form.name}\n", *_comment(_lines(form.description or "")), schema])


def _comment(lines: Iterable[str]) -> list[str]:
    return [f"// {line}" for line in lines]


def _lines(text: str) -> list[str]:
    r"""Split as Rust's `str::lines`: at `\n` and `\r\n` only, and without a last empty line."""
    *ended, last = text.split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])
