"""Questions about lists of numbers and of words."""

from collections.abc import Callable

from ostinato.training.kinds.kind import Kind, Slots, shown_list
from ostinato.training.values import Values


def numbers(low: int = 0, high: int = 999, most: int = 8) -> Callable[[Values], Slots]:
    """Draw a list of integers: `xs` is the code, `q` is how the question shows it."""

    def draw(values: Values) -> Slots:
        top = values.rng.choice([9, 20, 99, 100, high])
        xs = [str(x) for x in values.integers(low, min(top, high), 3, most)]
        if values.rng.random() < 0.1:
            xs = [f"-{x}" if values.rng.random() < 0.3 and x != "0" else x for x in xs]
        return {"xs": f"[{', '.join(xs)}]", "q": shown_list(xs, values)}

    return draw


def repeated(values: Values) -> Slots:
    """Draw a list in which numbers occur more than once."""
    few = [str(values.integer(0, 99)) for _ in range(values.rng.randint(2, 4))]
    xs = [values.rng.choice(few) for _ in range(values.rng.randint(4, 9))]
    return {"xs": f"[{', '.join(xs)}]", "q": shown_list(xs, values), "x": values.rng.choice(xs)}


def words(values: Values) -> Slots:
    """Draw a list of words."""
    ws = values.words(3, 6)
    quoted = [f'"{w}"' for w in ws]
    shown = shown_list(quoted if values.rng.random() < 0.15 else ws, values)
    return {"ws": f"[{', '.join(quoted)}]", "q": shown}


LISTS = (
    Kind(name="sort numbers", topic="lists", values=numbers(), weight=1.3, goal="a sorted list", thought="Sort {xs}", code="sorted({xs})", answer="Sorted: {out}"),
    Kind(
        name="sort descending",
        topic="lists",
        values=numbers(),
        weight=0.9,
        goal="a list sorted from the largest down",
        thought="Sort {xs} from the largest down",
        code="sorted({xs}, reverse=True)",
        answer="Sorted: {out}",
    ),
    Kind(name="sum of a list", topic="lists", values=numbers(high=9999), weight=1.3, goal="the sum of a list", thought="Add {xs}", code="sum({xs})", answer="The sum is {out}."),
    Kind(
        name="mean",
        topic="lists",
        values=numbers(high=9999),
        weight=1.2,
        goal="an average",
        thought="Take the average of {xs}",
        code="import statistics\nround(statistics.mean({xs}), 4)",
        answer="The average is {out}.",
    ),
    Kind(
        name="median",
        topic="lists",
        values=numbers(),
        weight=0.9,
        goal="a median",
        thought="Take the median of {xs}",
        code="import statistics\nstatistics.median({xs})",
        answer="The median is {out}.",
    ),
    Kind(
        name="maximum", topic="lists", values=numbers(high=9999), weight=1.0, goal="a maximum", thought="Find the largest of {xs}", code="max({xs})", answer="The largest is {out}."
    ),
    Kind(
        name="minimum",
        topic="lists",
        values=numbers(high=9999),
        weight=1.0,
        goal="a minimum",
        thought="Find the smallest of {xs}",
        code="min({xs})",
        answer="The smallest is {out}.",
    ),
    Kind(
        name="range of a list",
        topic="lists",
        values=numbers(),
        weight=0.6,
        goal="a range",
        thought="Take the largest minus the smallest of {xs}",
        code="max({xs}) - min({xs})",
        answer="The range is {out}.",
    ),
    Kind(
        name="product of a list",
        topic="lists",
        values=numbers(low=1, high=99, most=6),
        weight=0.7,
        goal="the product of a list",
        thought="Multiply {xs}",
        code="import math\nmath.prod({xs})",
        answer="The product is {out}.",
    ),
    Kind(
        name="even numbers",
        topic="lists",
        values=numbers(),
        weight=0.7,
        goal="the even numbers of a list",
        thought="Keep the even numbers of {xs}",
        code="[x for x in {xs} if x % 2 == 0]",
        answer="The even numbers are {out}.",
    ),
    Kind(
        name="odd numbers",
        topic="lists",
        values=numbers(),
        weight=0.6,
        goal="the odd numbers of a list",
        thought="Keep the odd numbers of {xs}",
        code="[x for x in {xs} if x % 2 == 1]",
        answer="The odd numbers are {out}.",
    ),
    Kind(
        name="distinct",
        topic="lists",
        values=repeated,
        weight=0.7,
        goal="a list without duplicates",
        thought="Remove duplicates from {xs}",
        code="list(dict.fromkeys({xs}))",
        answer="Without duplicates: {out}",
    ),
    Kind(
        name="occurrences",
        topic="lists",
        values=repeated,
        weight=0.7,
        goal="how often a number occurs",
        thought="Count {x} in {xs}",
        code="{xs}.count({x})",
        answer="It occurs {out} times.",
    ),
    Kind(name="reverse a list", topic="lists", values=numbers(), weight=0.6, goal="a reversed list", thought="Reverse {xs}", code="{xs}[::-1]", answer="Reversed: {out}"),
    Kind(
        name="squares of a list",
        topic="lists",
        values=numbers(most=6),
        weight=0.5,
        goal="the squares of a list",
        thought="Square each number of {xs}",
        code="[x**2 for x in {xs}]",
        answer="The squares are {out}.",
    ),
    Kind(
        name="doubles of a list",
        topic="lists",
        values=numbers(most=6),
        weight=0.4,
        goal="the doubles of a list",
        thought="Double each number of {xs}",
        code="[x * 2 for x in {xs}]",
        answer="The doubles are {out}.",
    ),
    Kind(
        name="sort words",
        topic="lists",
        values=words,
        weight=1.3,
        goal="words in alphabetical order",
        thought="Sort {ws}",
        code='print(", ".join(sorted({ws})))',
        answer="Sorted: {out}",
    ),
    Kind(
        name="longest of words",
        topic="lists",
        values=words,
        weight=0.7,
        goal="the longest of some words",
        thought="Find the longest of {ws}",
        code="print(max({ws}, key=len))",
        answer="The longest is {out}.",
    ),
    Kind(
        name="shortest of words",
        topic="lists",
        values=words,
        weight=0.6,
        goal="the shortest of some words",
        thought="Find the shortest of {ws}",
        code="print(min({ws}, key=len))",
        answer="The shortest is {out}.",
    ),
    Kind(
        name="lengths of words",
        topic="lists",
        values=words,
        weight=0.5,
        goal="the lengths of some words",
        thought="Measure each of {ws}",
        code="[len(w) for w in {ws}]",
        answer="The lengths are {out}.",
    ),
    Kind(
        name="how many items",
        topic="lists",
        values=words,
        weight=0.5,
        goal="the number of items",
        thought="Count the items of {ws}",
        code="len({ws})",
        answer="The list has {out} items.",
    ),
    Kind(
        name="capitalise words",
        topic="lists",
        values=words,
        weight=0.4,
        goal="words in capitals",
        thought="Put {ws} in upper case",
        code='print(", ".join(w.upper() for w in {ws}))',
        answer="In upper case: {out}",
    ),
)
