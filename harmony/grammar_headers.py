"""The headers a generation may write, as a trie of their ids: at each point the children are what is allowed."""

from collections.abc import Iterable, Iterator
from itertools import product

from ostinato.harmony.grammar_forms import Form, Pieces
from ostinato.harmony.message import Channel, Role
from ostinato.harmony.tokenizer import Tokenizer

MESSAGE: Pieces = ("<|message|>",)
AGAIN: Pieces = ("<|start|>", Role.ASSISTANT.value)  # what stands between two messages of a generation


class Node:
    """A point in a header; where a header is complete, `form` is what it announces."""

    __slots__ = ("children", "form")

    def __init__(self) -> None:
        self.children: dict[int, Node] = {}
        self.form: Form | None = None

    def down(self, ids: Iterable[int]) -> "Node":
        """Return the node that `ids` lead to, made where it is missing."""
        node = self
        for number in ids:
            node = node.children.setdefault(number, Node())
        return node


class Headers:
    """The tries of a set of forms, made when they are first needed; `answer` ends a generation at the latest."""

    def __init__(self, forms: Iterable[Form], tokenizer: Tokenizer, *, answer: Form) -> None:
        self.forms = tuple(forms)
        self._answer = answer
        self._tokenizer = tokenizer
        self._special = tokenizer.special_ids()
        self._roots: dict[tuple[bool, bool], Node] = {}
        self._entries: dict[tuple[bool, bool], Node] = {}
        self._last: Node | None = None

    def first(self, *, thoughts: bool, preambles: bool) -> Node:
        """Return where a generation begins, after `<|start|>assistant`, with or without these forms."""
        key = thoughts, preambles
        if key not in self._roots:
            self._roots[key] = self._trie(chosen(self.forms, thoughts=thoughts, preambles=preambles))
        return self._roots[key]

    def next(self, *, thoughts: bool, preambles: bool) -> Node:
        """Return where the message after another begins, before its `<|start|>`."""
        key = thoughts, preambles
        if key not in self._entries:
            self._entries[key] = self._again(self.first(thoughts=thoughts, preambles=preambles))
        return self._entries[key]

    def answer(self) -> Node:
        """Return where the answer begins after another message, with nothing else to choose."""
        if self._last is None:
            self._last = self._again(self._trie([self._answer]))
        return self._last

    def _again(self, root: Node) -> Node:
        entry = Node()
        *way, last = self._ids(AGAIN)
        entry.down(way).children[last] = root
        return entry

    def _trie(self, forms: Iterable[Form]) -> Node:
        root = Node()
        for form in forms:
            for header in _headers(form):
                root.down(self._ids(header)).form = form
        return root

    def _ids(self, pieces: Pieces) -> list[int]:
        return [number for piece in pieces for number in self._encoded(piece)]

    def _encoded(self, piece: str) -> list[int]:
        return [self._special[piece]] if piece in self._special else self._tokenizer.encode(piece)


def chosen(forms: Iterable[Form], *, thoughts: bool, preambles: bool) -> list[Form]:
    """Leave the thoughts or the preambles out.

    Without thoughts the whole analysis channel is left out where the model may answer: it would choose the channel to
    think, and be made to call a tool in whose arguments it goes on thinking.
    """
    kept = [form for form in forms if (thoughts or not form.is_thought) and (preambles or not form.is_preamble)]
    may_answer = any(form.recipient is None and not form.is_talk for form in kept)
    return [form for form in kept if thoughts or not may_answer or form.channel != Channel.ANALYSIS]


def _headers(form: Form) -> Iterator[Pieces]:
    for place, kind in product(form.places, form.types):
        yield (*place, *kind, *MESSAGE)
