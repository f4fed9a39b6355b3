"""JSON schema → TypeScript exactly as openai-harmony 0.0.8 writes it, faults included.

gpt-oss was trained on this text, so its faults are part of the format; `tool_schema.py` writes the same text where the
library is right, and correct TypeScript where it is not. Known faults kept here: `anyOf`, `$ref`, `const` and number
enums become `any`; array items lack parentheses; only the first line of a property's comment gets its `//`; keys
and strings are not escaped; the description of a nested object is printed twice.
"""

from collections.abc import Mapping

from ostinato.harmony.rust_json import rust_json

SIMPLE = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}


def typescript(schema: object, indent: str = "") -> str:
    """Write the type of a schema."""
    if not isinstance(schema, Mapping):
        return "any"
    variants = schema.get("oneOf")
    if isinstance(variants, list):
        return "".join(f"\n{indent} | {_variant(variant, indent)}{_suffix(variant)}" for variant in variants)
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        members = [name for name in kind if isinstance(name, str)]
        if members:
            return " | ".join("number" if name == "integer" else name for name in members)
    if kind == "object":
        return _object(schema, indent)
    if kind == "string":
        return _string(schema)
    if kind == "array":
        return f"{typescript(schema['items'], indent)}[]" if "items" in schema else "Array<any>"
    return SIMPLE.get(kind, "any") if isinstance(kind, str) else "any"


def _string(schema: Mapping[str, object]) -> str:
    members = schema.get("enum")
    if isinstance(members, list):
        texts = [f'"{member}"' for member in members if isinstance(member, str)]
        if texts:
            return " | ".join(texts)
    return "string"


def _object(schema: Mapping[str, object], indent: str) -> str:
    description = schema.get("description")
    head = f"{indent}// {description}\n" if isinstance(description, str) else ""
    properties = schema.get("properties")
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    body = ""
    if isinstance(properties, Mapping):
        body = "".join(
            _property(key if key in names else f"{key}?", value, indent) for key, value in properties.items()
        )
    return f"{head}{{\n{body}{indent}}}"


def _property(name: str, schema: object, indent: str) -> str:
    if not isinstance(schema, Mapping):
        return f"{indent}{name}: any,\n"
    comments = _comments(schema, indent)
    variants = schema.get("oneOf")
    if isinstance(variants, list):
        return comments + _one_of_property(name, schema, variants, indent)
    kind = typescript(schema, indent + "    ")
    default = f" // default: {_default(schema)}" if "default" in schema and "oneOf" not in schema else ""
    return f"{comments}{indent}{name}: {_nullable(schema, kind)},{default}\n"


def _comments(schema: Mapping[str, object], indent: str) -> str:
    lines = []
    title, description, examples = schema.get("title"), schema.get("description"), schema.get("examples")
    if isinstance(title, str):
        lines += [f"// {title}", "//"]
    if isinstance(description, str) and "oneOf" not in schema:
        lines.append(f"// {description}")
    if isinstance(examples, list) and examples:
        lines.append("// Examples:")
        lines += [f'// - "{example}"' for example in examples if isinstance(example, str)]
    return "".join(f"{indent}{line}\n" for line in lines)


def _one_of_property(name: str, schema: Mapping[str, object], variants: list[object], indent: str) -> str:
    description = schema.get("description")
    first = variants[0] if variants else None
    first_description = first.get("description") if isinstance(first, Mapping) else None
    has_comment = isinstance(description, str) and description != first_description
    text = f"{indent}// {description}\n" if has_comment else ""
    if "default" in schema:
        text += f"{indent}// default: {_default(schema)}\n"
    text += f"{indent}{name}:\n"
    for index, variant in enumerate(variants):
        hidden = (has_comment and index == 0) or (
            isinstance(variant, Mapping) and variant.get("description") == description
        )
        text += f"{indent} | {_variant(variant, indent)}{_suffix(variant, bare_enum=True, hide_description=hidden)}\n"
    return f"{text}{indent},\n"


def _variant(variant: object, indent: str) -> str:
    return _nullable(variant, typescript(variant, indent + "   "))


def _nullable(schema: object, kind: str) -> str:
    is_nullable = isinstance(schema, Mapping) and schema.get("nullable") is True
    return f"{kind} | null" if is_nullable and "null" not in kind else kind


def _suffix(variant: object, *, bare_enum: bool = False, hide_description: bool = False) -> str:
    if not isinstance(variant, Mapping):
        return ""
    parts = []
    description = variant.get("description")
    if isinstance(description, str) and not hide_description:
        parts.append(description)
    if "default" in variant:
        parts.append(f"default: {_default(variant, bare_enum=bare_enum)}")
    return f" // {' '.join(parts)}" if parts else ""


def _default(schema: Mapping[str, object], *, bare_enum: bool = True) -> str:
    value, members = schema["default"], schema.get("enum")
    if not isinstance(value, str):
        return rust_json(value)
    if isinstance(members, list) and members:
        return value if bare_enum else rust_json(value)
    return f'"{value}"'
