"""Questions about numbers."""

from collections.abc import Callable

from ostinato.training.kinds.kind import Kind, Slots, shown_number
from ostinato.training.values import Values


def two(low_a: int, high_a: int, low_b: int, high_b: int, *, decimals: float = 0.0) -> Callable[[Values], Slots]:
    """Draw two numbers `a` and `b`; `qa` and `qb` are how the question shows them."""

    def draw(values: Values) -> Slots:
        def number(low: int, high: int) -> str:
            if values.rng.random() < decimals:
                return values.decimal(low, min(high, 9999))
            return str(values.integer(low, high))

        a, b = number(low_a, high_a), number(low_b, high_b)
        return {"a": a, "b": b, "qa": shown_number(a, values), "qb": shown_number(b, values)}

    return draw


def one(low: int, high: int, *, decimals: float = 0.0) -> Callable[[Values], Slots]:
    """Draw one number `a`."""

    def draw(values: Values) -> Slots:
        a = values.decimal(low, high) if values.rng.random() < decimals else str(values.integer(low, high))
        return {"a": a, "qa": shown_number(a, values)}

    return draw


def expression(values: Values) -> Slots:
    """Draw an expression of three or four numbers, shown with the signs people use."""
    rng = values.rng
    numbers = [str(values.integer(2, 9999)) for _ in range(rng.choice([3, 3, 3, 4]))]
    signs = [rng.choice("+-*") for _ in numbers[1:]]
    parts = [numbers[0]]
    for sign, number in zip(signs, numbers[1:], strict=True):
        parts += [sign, number]
    if rng.random() < 0.5:
        at = rng.randrange(len(signs)) * 2
        parts[at : at + 3] = [f"({parts[at]} {parts[at + 1]} {parts[at + 2]})"]
    code = " ".join(parts)
    shown = code
    if rng.random() < 0.25:
        shown = shown.replace("*", rng.choice(["x", "×"]))
    if rng.random() < 0.25:
        shown = shown.replace(" ", "")
    return {"e": code, "q": shown}


def product_then(values: Values) -> Slots:
    """Draw three numbers for an operation in words on the result of another."""
    first, first_sign = values.rng.choice(
        [("{a} times {b}", "*"), ("{a} plus {b}", "+"), ("{a} minus {b}", "-"), ("the sum of {a} and {b}", "+"), ("the product of {a} and {b}", "*")]
    )
    second, second_sign = values.rng.choice(
        [
            ("{x} plus {c}", "+"),
            ("{x} minus {c}", "-"),
            ("{x}, then add {c}", "+"),
            ("{x} and then subtract {c}", "-"),
            ("{x}, multiplied by {c}", "*"),
            ("{x}, then multiply by {c}", "*"),
            ("{x} and multiply the result by {c}", "*"),
            ("{x} and add {c} to that", "+"),
        ]
    )
    a, b, c = (str(values.integer(2, 9999)) for _ in range(3))
    shown = second.format(x=first.format(a=a, b=b), c=c)
    return {"q": shown, "e": f"({a} {first_sign} {b}) {second_sign} {c}"}


def several(values: Values) -> Slots:
    """Draw two or three unrelated sums to be done in one go."""
    rng = values.rng
    texts, codes = [], []
    for _ in range(rng.choice([2, 2, 3])):
        a, b, sign = str(values.integer(2, 99_999)), str(values.integer(2, 9_999)), rng.choice("+-*")
        texts.append(rng.choice([f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a} {dict(zip('+-*', ('plus', 'minus', 'times'), strict=True))[sign]} {b}"]))
        codes.append(f"print({a} {sign} {b})")
    joint = rng.choice([" and ", " and ", ", and also ", "; and ", " as well as "])
    return {"q": ", ".join(texts[:-1]) + joint + texts[-1], "e": "\n".join(codes), "n": str(len(codes))}


def percent(values: Values) -> Slots:
    """Draw a percentage and an amount."""
    p = str(values.rng.choice([5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, values.integer(1, 99), values.decimal(1, 40)]))
    a = values.decimal(2, 9999) if values.rng.random() < 0.15 else str(values.integer(2, 99999))
    return {"p": p, "a": a, "qa": shown_number(a, values), "s": values.rng.choice(["%", "%", "%", " percent", " per cent"])}


def bounds(values: Values) -> Slots:
    """Draw the two ends of a range."""
    low = values.rng.choice([1, 1, 1, values.integer(2, 200)])
    return {"a": str(low), "b": str(low + values.integer(3, 5000))}


ARITHMETIC = (
    Kind(
        name="multiply",
        topic="arithmetic",
        values=two(2, 999_999, 2, 99_999, decimals=0.08),
        weight=2.0,
        goal="the product of two numbers",
        thought="Multiply {a} by {b}",
        code="{a} * {b}",
        answer="The product is {out}.",
    ),
    Kind(
        name="add",
        topic="arithmetic",
        values=two(2, 9_999_999, 2, 9_999_999, decimals=0.12),
        weight=1.5,
        goal="the sum of two numbers",
        thought="Add {a} and {b}",
        code="{a} + {b}",
        answer="The sum is {out}.",
    ),
    Kind(
        name="subtract",
        topic="arithmetic",
        values=two(2, 9_999_999, 2, 999_999, decimals=0.12),
        weight=1.5,
        goal="the difference of two numbers",
        thought="Subtract {b} from {a}",
        code="{a} - {b}",
        answer="The result is {out}.",
    ),
    Kind(
        name="divide",
        topic="arithmetic",
        values=two(2, 999_999, 2, 9_999, decimals=0.08),
        weight=1.5,
        goal="a quotient",
        thought="Divide {a} by {b}",
        code="round({a} / {b}, 4)",
        answer="The result is {out}.",
    ),
    Kind(
        name="remainder",
        topic="arithmetic",
        values=two(10, 999_999, 2, 999),
        goal="the remainder of a division",
        thought="Take {a} modulo {b}",
        code="{a} % {b}",
        answer="The remainder is {out}.",
    ),
    Kind(
        name="whole division",
        topic="arithmetic",
        values=two(10, 999_999, 2, 999),
        weight=0.6,
        goal="a whole quotient",
        thought="Divide {a} by {b} and round down",
        code="{a} // {b}",
        answer="The result is {out}.",
    ),
    Kind(name="power", topic="arithmetic", values=two(2, 99, 2, 24), goal="a power", thought="Raise {a} to the power {b}", code="{a} ** {b}", answer="The result is {out}."),
    Kind(name="square", topic="arithmetic", values=one(2, 99_999, decimals=0.1), weight=0.8, goal="a square", thought="Square {a}", code="{a} ** 2", answer="The square is {out}."),
    Kind(name="cube", topic="arithmetic", values=one(2, 9_999), weight=0.5, goal="a cube", thought="Cube {a}", code="{a} ** 3", answer="The cube is {out}."),
    Kind(
        name="square root",
        topic="arithmetic",
        values=one(2, 999_999, decimals=0.05),
        goal="a square root",
        thought="Take the square root of {a}",
        code="import math\nround(math.sqrt({a}), 4)",
        answer="The square root is {out}.",
    ),
    Kind(
        name="cube root",
        topic="arithmetic",
        values=one(2, 999_999),
        weight=0.4,
        goal="a cube root",
        thought="Take the cube root of {a}",
        code="import math\nround(math.cbrt({a}), 4)",
        answer="The cube root is {out}.",
    ),
    Kind(
        name="percent",
        topic="arithmetic",
        values=percent,
        weight=1.4,
        goal="a percentage of an amount",
        thought="Take {p} percent of {a}",
        code="round({a} * {p} / 100, 4)",
        answer="The result is {out}.",
    ),
    Kind(
        name="discount",
        topic="arithmetic",
        values=percent,
        weight=0.8,
        goal="an amount after a discount",
        thought="Reduce {a} by {p} percent",
        code="round({a} * (1 - {p} / 100), 4)",
        answer="The reduced amount is {out}.",
    ),
    Kind(
        name="increase",
        topic="arithmetic",
        values=percent,
        weight=0.8,
        goal="an amount after an increase",
        thought="Increase {a} by {p} percent",
        code="round({a} * (1 + {p} / 100), 4)",
        answer="The increased amount is {out}.",
    ),
    Kind(
        name="expression", topic="arithmetic", values=expression, weight=2.5, goal="the value of an expression", thought="Evaluate {e}", code="{e}", answer="The result is {out}."
    ),
    Kind(
        name="operations in words",
        topic="arithmetic",
        values=product_then,
        weight=1.5,
        goal="several operations in a row",
        thought="Evaluate {e}",
        code="{e}",
        answer="The result is {out}.",
    ),
    Kind(name="several sums", topic="arithmetic", values=several, weight=1.2, goal="several results", thought="Print {n} results", code="{e}", answer="The results are {outs}."),
    Kind(
        name="factorial",
        topic="arithmetic",
        values=one(2, 30),
        weight=0.8,
        goal="a factorial",
        thought="Take the factorial of {a}",
        code="import math\nmath.factorial({a})",
        answer="The factorial is {out}.",
    ),
    Kind(
        name="greatest common divisor",
        topic="arithmetic",
        values=two(4, 99_999, 4, 99_999),
        weight=0.8,
        goal="a greatest common divisor",
        thought="Find the greatest common divisor of {a} and {b}",
        code="import math\nmath.gcd({a}, {b})",
        answer="The greatest common divisor is {out}.",
    ),
    Kind(
        name="least common multiple",
        topic="arithmetic",
        values=two(4, 9_999, 4, 9_999),
        weight=0.8,
        goal="a least common multiple",
        thought="Find the least common multiple of {a} and {b}",
        code="import math\nmath.lcm({a}, {b})",
        answer="The least common multiple is {out}.",
    ),
    Kind(
        name="prime",
        topic="arithmetic",
        values=one(2, 99_999),
        goal="whether a number is prime",
        thought="Test whether {a} is prime",
        code="{a} > 1 and all({a} % d for d in range(2, int({a} ** 0.5) + 1))",
        answer="{yes}",
    ),
    Kind(
        name="divisors",
        topic="arithmetic",
        values=one(4, 500),
        weight=0.7,
        goal="the divisors of a number",
        thought="List the divisors of {a}",
        code="[d for d in range(1, {a} + 1) if {a} % d == 0]",
        answer="The divisors are {out}.",
    ),
    Kind(
        name="sum of a range",
        topic="arithmetic",
        values=bounds,
        goal="the sum of a range",
        thought="Add all integers from {a} to {b}",
        code="sum(range({a}, {b} + 1))",
        answer="The sum is {out}.",
    ),
    Kind(
        name="fibonacci",
        topic="arithmetic",
        values=one(3, 120),
        weight=0.7,
        goal="a Fibonacci number",
        thought="Count Fibonacci numbers up to number {a}",
        code="x, y = 0, 1\nfor _ in range({a}):\n    x, y = y, x + y\nx",
        answer="The Fibonacci number is {out}.",
    ),
    Kind(
        name="binary",
        topic="arithmetic",
        values=one(2, 99_999),
        weight=0.8,
        goal="a binary number",
        thought="Write {a} in binary",
        code='print(format({a}, "b"))',
        answer="In binary it is {out}.",
    ),
    Kind(
        name="hexadecimal",
        topic="arithmetic",
        values=one(2, 999_999),
        weight=0.7,
        goal="a hexadecimal number",
        thought="Write {a} in hexadecimal",
        code='print(format({a}, "x"))',
        answer="In hexadecimal it is {out}.",
    ),
    Kind(
        name="from binary",
        topic="arithmetic",
        values=lambda values: {"a": format(values.integer(4, 9_999), "b")},
        weight=0.7,
        goal="the value of a binary number",
        thought="Read {a} as a binary number",
        code='int("{a}", 2)',
        answer="In decimal it is {out}.",
    ),
    Kind(
        name="rounding",
        topic="arithmetic",
        weight=0.7,
        values=lambda values: {"a": f"{values.integer(0, 9999)}.{values.rng.randint(100, 999999)}", "n": str(values.rng.randint(1, 3))},
        goal="a rounded number",
        thought="Round {a} to {n} places",
        code="round({a}, {n})",
        answer="Rounded it is {out}.",
    ),
    Kind(
        name="digit sum",
        topic="arithmetic",
        values=one(10, 99_999_999),
        weight=0.7,
        goal="a digit sum",
        thought="Add the digits of {a}",
        code='sum(int(d) for d in "{a}")',
        answer="The digit sum is {out}.",
    ),
    Kind(
        name="even or odd",
        topic="arithmetic",
        values=one(2, 9_999_999),
        weight=0.5,
        goal="whether a number is even or odd",
        thought="Check whether {a} is even",
        code='print("even" if {a} % 2 == 0 else "odd")',
        answer="The number is {out}.",
    ),
    Kind(
        name="circle area",
        topic="arithmetic",
        values=one(1, 999, decimals=0.2),
        weight=0.6,
        goal="the area of a circle",
        thought="Compute pi times {a} squared",
        code="import math\nround(math.pi * {a} ** 2, 4)",
        answer="The area is {out}.",
    ),
    Kind(
        name="circumference",
        topic="arithmetic",
        values=one(1, 999, decimals=0.2),
        weight=0.5,
        goal="the circumference of a circle",
        thought="Compute two pi times {a}",
        code="import math\nround(2 * math.pi * {a}, 4)",
        answer="The circumference is {out}.",
    ),
    Kind(
        name="hypotenuse",
        topic="arithmetic",
        values=two(2, 999, 2, 999),
        weight=0.5,
        goal="a hypotenuse",
        thought="Take the hypotenuse of {a} and {b}",
        code="import math\nround(math.hypot({a}, {b}), 4)",
        answer="The length is {out}.",
    ),
    Kind(
        name="rectangle",
        topic="arithmetic",
        values=two(2, 9_999, 2, 999),
        weight=0.5,
        goal="a perimeter",
        thought="Take twice the sum of {a} and {b}",
        code="2 * ({a} + {b})",
        answer="The perimeter is {out}.",
    ),
    Kind(
        name="compound interest",
        topic="arithmetic",
        weight=0.7,
        values=lambda values: {
            "a": str(values.integer(100, 99_999)),
            "p": values.rng.choice([str(values.rng.randint(1, 15)), f"{values.rng.randint(1, 9)}.5"]),
            "n": str(values.rng.randint(2, 40)),
        },
        goal="an amount with compound interest",
        thought="Let {a} grow {p} percent for {n} years",
        code="round({a} * (1 + {p} / 100) ** {n}, 2)",
        answer="The amount is {out}.",
    ),
)
