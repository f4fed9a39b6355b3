"""Recipients: the names the model knows tools by, and which tool each reaches.

Tools may have any names: the model is told identifiers, calls by them and is answered by them; tools and users see the
names as given. A recipient that no tool has is read with good will: models write `functions.python` for `python` and
`get_weather` for `functions.get_weather` (https://github.com/openai/gpt-oss/issues/199), or call tools they were
trained with, such as `container.exec`, which an alias can map to one there is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ostinato.harmony import Role, ToolNamespace
from ostinato.harmony.tool_names import safe_names
from ostinato.tools.tool import Tool

NOT_TOOLS = frozenset({"all", *Role})

_FUNCTIONS = "functions"
_PREFIXES = ("functions.", "function.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a recipient leads. `recipient` is what the model calls; `own_name` and `function` are the tool's names."""

    tool: Tool
    recipient: str
    own_name: str
    function: str | None = None


class Recipients:
    """Every name that reaches one of `tools`; see Toolbox for what is refused."""

    def __init__(self, tools: Iterable[Tool], aliases: Mapping[str, str]) -> None:
        self.tools = tuple(tools)
        for tool in self.tools:
            _refuse_what_cannot_be_called(tool, self.tools)
        self._names = safe_names(tool.name for tool in self.tools if not _is_function(tool))
        self._functions = safe_names(_bare(tool.name) for tool in self.tools if _is_function(tool))
        routes = [route for tool in self.tools for route in self._routes_to(tool)]
        self._routes = {route.recipient: route for route in routes}
        self._own_names = {route.own_name: route for route in routes}
        self._aliases = {alias: self._target(alias, target) for alias, target in aliases.items()}

    def __iter__(self) -> Iterator[str]:
        """Yield what the model is told it can call."""
        return iter(self._routes)

    @property
    def system_namespaces(self) -> tuple[ToolNamespace, ...]:
        """The tools that are no functions, by the names the model knows."""
        return tuple(_renamed(tool.namespace, self._names[tool.name]) for tool in self.tools if not _is_function(tool))

    @property
    def function_namespaces(self) -> tuple[ToolNamespace, ...]:
        """All functions in one namespace, by the names the model knows, or nothing."""
        functions = tuple(
            replace(description, name=self._functions[_bare(tool.name)])
            for tool in self.tools
            if _is_function(tool)
            for description in tool.namespace.tools
        )
        return (ToolNamespace(name=_FUNCTIONS, tools=functions),) if functions else ()

    def reached_by(self, written: str) -> Route | None:
        """Return where a recipient that the model wrote leads, None if nowhere."""
        bare = written
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        candidates = (written, f"{_FUNCTIONS}.{bare}", bare)
        # What follows the name of a tool without functions means nothing: models write `python.exec` too.
        owners = tuple(candidate.partition(".")[0] for candidate in candidates)
        found = (self._named(each) or self._aliases.get(each) for each in (*candidates, *owners))
        return next((each for each in found if each), None)

    def unknown(self, written: str) -> str:
        """Say that nothing is reached, and what would be."""
        if not self.tools:
            return f"no tool named {written!r}; there are no tools"
        return f"no tool named {written!r}; there is {', '.join(self)}"

    def _named(self, name: str) -> Route | None:
        return self._routes.get(name) or self._own_names.get(name)

    def _target(self, alias: str, target: str) -> Route:
        """Return where an alias leads."""
        if self._named(alias):
            raise ValueError(f"{alias!r} is a tool, so it cannot be an alias")
        route = self._named(target)
        if route is None:
            raise ValueError(f"the alias {alias!r}: {self.unknown(target)}")
        return route

    def _routes_to(self, tool: Tool) -> Iterator[Route]:
        if _is_function(tool):
            recipient = f"{_FUNCTIONS}.{self._functions[_bare(tool.name)]}"
            yield Route(tool=tool, recipient=recipient, own_name=tool.name)
            return
        name = self._names[tool.name]
        functions = safe_names(each.name for each in tool.namespace.tools)
        if not functions:
            yield Route(tool=tool, recipient=name, own_name=tool.name)
        for function, safe in functions.items():
            own_name = f"{tool.name}.{function}"
            yield Route(tool=tool, recipient=f"{name}.{safe}", own_name=own_name, function=function)


def _refuse_what_cannot_be_called(tool: Tool, tools: Iterable[Tool]) -> None:
    if not _is_function(tool) and safe_names([tool.name])[tool.name] in {_FUNCTIONS, *NOT_TOOLS}:
        raise ValueError(f"a tool is named {tool.name!r}, which means something else to the model; name it otherwise")
    if sum(other.name == tool.name for other in tools) > 1:
        raise ValueError(f"two tools are named {tool.name!r}; a recipient must reach one")


def _is_function(tool: Tool) -> bool:
    return tool.name.startswith(f"{_FUNCTIONS}.")


def _bare(name: str) -> str:
    return name.removeprefix(f"{_FUNCTIONS}.")


def _renamed(namespace: ToolNamespace, name: str) -> ToolNamespace:
    """Return the namespace as the model can call it."""
    safe = safe_names(each.name for each in namespace.tools)
    return replace(namespace, name=name, tools=tuple(replace(each, name=safe[each.name]) for each in namespace.tools))
