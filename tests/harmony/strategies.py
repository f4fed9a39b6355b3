"""Random schemas and conversations, well-formed as openai-harmony understands it."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ostinato.harmony import (
    Author,
    DeveloperContent,
    Message,
    ReasoningEffort,
    Role,
    SystemContent,
    ToolDescription,
    ToolNamespace,
)

words = st.sampled_from(["", "a", "two words", "null", 'quo"te', "line\nbreak", "é", "\r\n", "<|end|>"]) | st.text(
    max_size=12
)
floats = st.sampled_from([1.5, 1e20, 1e-5, 1.5e-5, -1.25e-5, 1e-7, 0.0001, 2.0, -0.0, 1e16, 5e-324]) | st.floats(
    allow_nan=False, allow_infinity=False
)
integers = (
    st.integers(-(2**63), 2**64 - 1) | st.integers(-(10**40), 10**40) | st.sampled_from([2**64, -(2**63) - 1, 10**308])
)
values = st.recursive(
    st.none() | st.booleans() | integers | floats | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
types = st.sampled_from(
    ["object", "array", "string", "number", "integer", "boolean", "null", "odd", ["string", "null"], ["integer", 1], []]
)


def schemas_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b-c", "null_count", "é"])
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types,
            "description": words,
            "title": words | st.just(1),
            "default": values,
            "nullable": st.sampled_from([True, False, "true"]),
            "examples": st.lists(values, max_size=2),
            "enum": st.sampled_from([["a", "b"], [1, "c"], [1], [], ["null"]]),
            "properties": st.dictionaries(names, inner, max_size=3),
            "required": st.lists(names, max_size=2),
            "items": inner,
            "oneOf": st.lists(inner, max_size=3),
            "anyOf": st.lists(inner, max_size=2),
        },
    )


schemas = schemas_of(st.recursive(st.booleans() | schemas_of(st.just({})), schemas_of, max_leaves=6))
identifiers = st.sampled_from(["functions", "browser", "python", "search", "Z"])
tools = st.builds(ToolDescription, name=identifiers, description=words, parameters=st.none() | schemas)
namespaces = st.lists(
    st.builds(
        ToolNamespace, name=identifiers, description=st.none() | words, tools=st.lists(tools, max_size=2).map(tuple)
    ),
    max_size=2,
    unique_by=lambda namespace: namespace.name,
).map(tuple)
channels = st.none() | st.sampled_from(["analysis", "commentary", "final", "odd one"])
preambles = st.builds(
    SystemContent,
    model_identity=st.none() | words,
    knowledge_cutoff=st.none() | words,
    current_date=st.none() | words,
    reasoning_effort=st.none() | st.sampled_from(ReasoningEffort),
    valid_channels=st.lists(words, max_size=3).map(tuple),
    channel_required=st.booleans(),
    tools=namespaces,
).map(Message.system) | st.builds(DeveloperContent, instructions=st.none() | words, tools=namespaces).map(
    Message.developer
)
authors = st.builds(
    Author, role=st.sampled_from([role for role in Role if role != Role.TOOL]), name=st.none() | identifiers
) | st.builds(Author, role=st.just(Role.TOOL), name=identifiers)
speech = st.builds(
    Message,
    author=authors,
    content=st.lists(words, max_size=2).map(tuple),
    channel=channels,
    recipient=st.none() | st.sampled_from(["all", "user", "assistant", "python", "functions.x", "a b"]),
    content_type=st.none() | st.sampled_from(["json", "code", "<|constrain|>json", "<|constrain|> json", "<|call|>"]),
)
preambles_on_channels = st.builds(lambda message, channel: replace(message, channel=channel), preambles, channels)
conversations = st.lists(preambles | preambles_on_channels | speech | speech | speech, max_size=8)
