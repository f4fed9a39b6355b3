"""Questions about numbers."""

from collections.abc import Callable

from ostinato.training.kinds.kind import Kind, Slots, shown_number
from ostinato.training.phrasing import Phrases
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
        phrases=Phrases(
            nouns=(
                "{qa} * {qb}",
                "{qa}*{qb}",
                "{qa} x {qb}",
                "{qa} × {qb}",
                "{qa} times {qb}",
                "{qa} multiplied by {qb}",
                "the product of {qa} and {qb}",
                "the result of {qa} [times|*|multiplied by] {qb}",
                "{qa} multiplied with {qb}",
                "the product {qa} [times|*] {qb}",
                "the multiplication of {qa} and {qb}",
                "{qb} lots of {qa}",
                "~the outcome of multiplying {qa} and {qb}",
                "~the value when {qa} is multiplied by {qb}",
            ),
            commands=(
                "multiply {qa} by {qb}",
                "multiply {qa} and {qb}",
                "multiply {qa} with {qb}",
                "multiply the numbers {qa} and {qb}",
                "take {qa} times {qb}",
                "~take {qa} and multiply it by {qb}",
            ),
            sentences=(
                "[if i|when i] multiply {qa} by {qb}, what do i get?",
                "what do you get when you multiply {qa} [by|and|with] {qb}?",
                "[a box holds|each box has|a crate holds|one bag has] {qa} [apples|books|nails|coins|bottles|pens]. how many are in {qb} [boxes|crates|bags]?",
                "[one ticket costs|a ticket is|a chair costs|one costs] {qa} [dollars|euros]. [what do|how much do|how much are] {qb} [of them |tickets |]cost?",
                "how much is {qa} times {qb}?",
                "~there are {qb} rows with {qa} seats each. how many seats in total?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} + {qb}",
                "{qa}+{qb}",
                "{qa} plus {qb}",
                "the sum of {qa} and {qb}",
                "{qa} and {qb} [together|combined|added together]",
                "the result of {qa} [plus|+] {qb}",
                "the total of {qa} and {qb}",
                "{qa} added to {qb}",
                "the sum {qa} + {qb}",
                "~the number you get by adding {qa} and {qb}",
                "~what {qa} and {qb} add up to",
            ),
            commands=(
                "add {qa} and {qb}",
                "add {qa} to {qb}",
                "add up {qa} and {qb}",
                "sum {qa} and {qb}",
                "add the numbers {qa} and {qb}",
                "add {qa} and {qb} together",
                "~take {qa} and add {qb}",
            ),
            sentences=(
                "[if i|when i] add {qa} and {qb}, what do i get?",
                "what do you get when you add {qa} [and|to] {qb}?",
                "i have {qa} [apples|dollars|coins|stamps] and [get|buy|find|earn] {qb} more. how many do i have [now|in total|altogether]?",
                "[one|the first] [town|village|city] has {qa} people and [another|the second] has {qb}. how many [people|] [altogether|in total|together]?",
                "how much is {qa} plus {qb}?",
                "~we sold {qa} tickets on monday and {qb} on tuesday. how many tickets is that?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} - {qb}",
                "{qa}-{qb}",
                "{qa} minus {qb}",
                "{qa} less {qb}",
                "the result of {qa} [minus|-] {qb}",
                "{qa} take away {qb}",
                "{qa} reduced by {qb}",
                "the result of subtracting {qb} from {qa}",
                "{qa} decreased by {qb}",
                "~what remains of {qa} after taking away {qb}",
                "~{qa} lowered by {qb}",
            ),
            commands=(
                "subtract {qb} from {qa}",
                "take {qb} away from {qa}",
                "take {qb} from {qa}",
                "deduct {qb} from {qa}",
                "take away {qb} from {qa}",
                "~start with {qa} and subtract {qb}",
            ),
            sentences=(
                "[if i|when i] subtract {qb} from {qa}, what do i get?",
                "what do you get when you [subtract|take] {qb} from {qa}?",
                "i [have|had] {qa} [apples|dollars|coins|stamps] and [lose|spend|give away|sell] {qb}. how many [are left|remain|do i have left]?",
                "how much is {qa} minus {qb}?",
                "what is left of {qa} [if|when] i [take away|spend|remove] {qb}?",
                "~a tank holds {qa} liters and {qb} liters leak out. how much is left?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} / {qb}",
                "{qa}/{qb}",
                "{qa} ÷ {qb}",
                "{qa} divided by {qb}",
                "{qa} over {qb}",
                "the quotient of {qa} and {qb}",
                "the result of {qa} [divided by|/] {qb}",
                "the division of {qa} by {qb}",
                "{qa} split by {qb}",
                "~the ratio of {qa} to {qb}",
                "~the outcome of dividing {qa} by {qb}",
            ),
            commands=("divide {qa} by {qb}", "divide the number {qa} by {qb}", "divide {qa} through {qb}", "split {qa} into {qb} equal parts", "~take {qa} and divide it by {qb}"),
            sentences=(
                "[if i|when i] divide {qa} by {qb}, what do i get?",
                "what do you get when you divide {qa} by {qb}?",
                "{qa} [dollars|euros] are shared [equally|evenly] [among|between] {qb} people. how much does each get?",
                "how much is {qa} divided by {qb}?",
                "~{qb} friends split a bill of {qa} dollars. what does each one pay?",
            ),
        ),
        goal="a quotient",
        thought="Divide {a} by {b}",
        code="round({a} / {b}, 4)",
        answer="The result is {out}.",
    ),
    Kind(
        name="remainder",
        topic="arithmetic",
        values=two(10, 999_999, 2, 999),
        phrases=Phrases(
            nouns=(
                "the remainder of {qa} divided by {qb}",
                "{qa} mod {qb}",
                "{qa} modulo {qb}",
                "{qa} % {qb}",
                "the remainder when {qa} is divided by {qb}",
                "the remainder of {qa} / {qb}",
                "the rest of {qa} divided by {qb}",
                "~the remainder left after dividing {qa} by {qb}",
            ),
            commands=("[find|give|compute] the remainder of dividing {qa} by {qb}", "take {qa} modulo {qb}", "~divide {qa} by {qb} and report the remainder"),
            sentences=(
                "what remains when {qa} is divided by {qb}?",
                "what is the remainder if i divide {qa} by {qb}?",
                "dividing {qa} by {qb}, what is the remainder?",
                "~if {qa} is divided by {qb}, how much remains?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the integer division of {qa} by {qb}",
                "{qa} // {qb}",
                "{qa} divided by {qb} rounded down",
                "the whole part of {qa} divided by {qb}",
                "~the integer quotient of {qa} and {qb}",
            ),
            sentences=(
                "how many times does {qb} fit into {qa}?",
                "how many times does {qb} go into {qa}?",
                "how many whole times does {qb} fit in {qa}?",
                "how many full [boxes|bags|teams] of {qb} can [i|you] [make|fill] from {qa} [items|people|pieces]?",
                "~how often does {qb} fit completely into {qa}?",
            ),
        ),
        goal="a whole quotient",
        thought="Divide {a} by {b} and round down",
        code="{a} // {b}",
        answer="The result is {out}.",
    ),
    Kind(
        name="power",
        topic="arithmetic",
        values=two(2, 99, 2, 24),
        phrases=Phrases(
            nouns=(
                "{qa}^{qb}",
                "{qa} ** {qb}",
                "{qa} to the power of {qb}",
                "{qa} to the {qb}th power",
                "{qa} raised to {qb}",
                "{qa} raised to the power [of |]{qb}",
                "the {qb}th power of {qa}",
                "{qa} ^ {qb}",
                "~{qa} with exponent {qb}",
                "~the power {qb} of {qa}",
            ),
            commands=("raise {qa} to the power [of |]{qb}", "raise {qa} to the {qb}th power", "~take {qa} to the power {qb}"),
            sentences=("what do you get when you raise {qa} to the power {qb}?", "~if you multiply {qa} by itself {qb} times, what comes out?"),
        ),
        goal="a power",
        thought="Raise {a} to the power {b}",
        code="{a} ** {b}",
        answer="The result is {out}.",
    ),
    Kind(
        name="square",
        topic="arithmetic",
        values=one(2, 99_999, decimals=0.1),
        weight=0.8,
        phrases=Phrases(
            nouns=("{qa} squared", "the square of {qa}", "{qa}^2", "{qa}²", "the second power of {qa}", "{qa} times itself", "~the squared value of {qa}"),
            commands=("square {qa}", "square the number {qa}", "multiply {qa} by itself", "~take the square of {qa}"),
            sentences=("what is the area of a square with side {qa}?", "a square has sides of {qa}. what is its area?", "~how big is the area of a square whose side is {qa}?"),
        ),
        goal="a square",
        thought="Square {a}",
        code="{a} ** 2",
        answer="The square is {out}.",
    ),
    Kind(
        name="cube",
        topic="arithmetic",
        values=one(2, 9_999),
        weight=0.5,
        phrases=Phrases(
            nouns=("{qa} cubed", "the cube of {qa}", "{qa}^3", "{qa}³", "the third power of {qa}", "~the cubed value of {qa}"),
            commands=("cube {qa}", "cube the number {qa}", "~take the cube of {qa}"),
            sentences=("what is the volume of a cube with side {qa}?", "a cube has edges of {qa}. what is its volume?", "~how big is the volume of a cube whose edge is {qa}?"),
        ),
        goal="a cube",
        thought="Cube {a}",
        code="{a} ** 3",
        answer="The cube is {out}.",
    ),
    Kind(
        name="square root",
        topic="arithmetic",
        values=one(2, 999_999, decimals=0.05),
        phrases=Phrases(
            nouns=(
                "the square root of {qa}",
                "sqrt({qa})",
                "sqrt {qa}",
                "√{qa}",
                "the root of {qa}",
                "square root of {qa}",
                "the positive square root of {qa}",
                "~the second root of {qa}",
            ),
            commands=("take the square root of {qa}", "take the root of {qa}", "extract the square root of {qa}", "~draw the square root from {qa}"),
            sentences=(
                "which number squared gives {qa}?",
                "what number times itself is {qa}?",
                "the area of a square is {qa}. how long is a side?",
                "~what do i have to square to get {qa}?",
            ),
        ),
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
        phrases=Phrases(
            nouns=("the cube root of {qa}", "cbrt({qa})", "the third root of {qa}", "cube root of {qa}", "∛{qa}", "~the real cube root of {qa}"),
            commands=("take the cube root of {qa}", "take the third root of {qa}", "~extract the cube root of {qa}"),
            sentences=("which number cubed gives {qa}?", "the volume of a cube is {qa}. how long is an edge?", "~what do i have to cube to get {qa}?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "{p}{s} of {qa}",
                "{p}{s} from {qa}",
                "the value of {p}{s} of {qa}",
                "a {p}{s} [tip|share] [on|of] {qa}",
                "{p}{s} [tip|tax|interest] on {qa}",
                "~a share of {p}{s} in {qa}",
            ),
            commands=("take {p}{s} of {qa}", "[find|compute] {p}{s} of the number {qa}", "~get {p}{s} out of {qa}"),
            sentences=(
                "how much is {p}{s} of {qa}?",
                "the [bill|price|total] is {qa} [dollars|euros] and the [tip|tax] is {p}{s}. how much is the [tip|tax]?",
                "~the bill was {qa}, i want to tip {p}{s}. how much is that?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} minus {p}{s}",
                "the price of {qa} after a {p}{s} discount",
                "{qa} with {p}{s} off",
                "{qa} [reduced|decreased|lowered] by {p}{s}",
                "the sale price of {qa} at {p}{s} off",
                "~the amount left after taking {p}{s} off {qa}",
            ),
            commands=("reduce {qa} by {p}{s}", "take {p}{s} off {qa}", "apply a {p}{s} discount to {qa}", "decrease {qa} by {p}{s}", "~subtract {p}{s} from {qa}"),
            sentences=(
                "a [coat|phone|book|chair|laptop] costs {qa} [dollars|euros]. what does it cost [after|with] a {p}{s} discount?",
                "how much is {qa} after {p}{s} off?",
                "~something costs {qa} and is {p}{s} off. what do i pay?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} plus {p}{s}",
                "{qa} [increased|raised] by {p}{s}",
                "{qa} with {p}{s} [tax|vat]",
                "{qa} after a {p}{s} [raise|increase]",
                "{qa} with a {p}{s} tip [added|on top]",
                "~the amount after adding {p}{s} to {qa}",
            ),
            commands=("increase {qa} by {p}{s}", "raise {qa} by {p}{s}", "add {p}{s} to {qa}", "add {p}{s} [tax|tip] to {qa}", "~put {p}{s} on top of {qa}"),
            sentences=(
                "a [coat|phone|salary|rent] of {qa} [rises|goes up|increases] by {p}{s}. what is it now?",
                "how much is {qa} after a {p}{s} increase?",
                "~my rent of {qa} goes up {p}{s}. how much do i pay then?",
            ),
        ),
        goal="an amount after an increase",
        thought="Increase {a} by {p} percent",
        code="round({a} * (1 + {p} / 100), 4)",
        answer="The increased amount is {out}.",
    ),
    Kind(
        name="expression",
        topic="arithmetic",
        values=expression,
        weight=2.5,
        phrases=Phrases(
            nouns=("{q}", "{q}", "the value of {q}", "the result of {q}", "the expression {q}", "~the outcome of the expression {q}"),
            commands=("[calculate|compute|evaluate|solve|work out] {q}", "evaluate the expression {q}", "do the math: {q}", "~crunch the numbers {q}"),
            sentences=("what does {q} equal?", "{q} = ?", "{q} equals what?", "how much is {q}?", "what does {q} come to?", "~what number does {q} give?"),
        ),
        goal="the value of an expression",
        thought="Evaluate {e}",
        code="{e}",
        answer="The result is {out}.",
    ),
    Kind(
        name="operations in words",
        topic="arithmetic",
        values=product_then,
        weight=1.5,
        phrases=Phrases(
            nouns=("{q}", "the result of {q}", "~the final result of {q}"),
            commands=("[calculate|compute|work out|find] {q}", "first [calculate|compute|find] {q}", "~evaluate {q}"),
            sentences=("what is {q}?", "how much is {q}?", "what do i get for {q}?", "~what comes out of {q}?"),
        ),
        goal="several operations in a row",
        thought="Evaluate {e}",
        code="{e}",
        answer="The result is {out}.",
    ),
    Kind(
        name="several sums",
        topic="arithmetic",
        values=several,
        weight=1.2,
        phrases=Phrases(
            nouns=("{q}", "both {q}", "the results of {q}", "~the outcomes of {q}"),
            commands=("[calculate|compute|work out|find] {q}", "do these sums: {q}", "solve these: {q}", "~evaluate each of {q}"),
            sentences=("what are {q}?", "what is {q}?", "how much are {q}?", "~what results do {q} have?"),
        ),
        goal="several results",
        thought="Print {n} results",
        code="{e}",
        answer="The results are {outs}.",
    ),
    Kind(
        name="factorial",
        topic="arithmetic",
        values=one(2, 30),
        weight=0.8,
        phrases=Phrases(
            nouns=("{a}!", "the factorial of {a}", "{a} factorial", "factorial({a})", "the product of all numbers from 1 to {a}", "~the value of {a} factorial"),
            commands=("take the factorial of {a}", "multiply all [numbers|integers] from 1 to {a}", "~compute n! for n = {a}"),
            sentences=(
                "how many ways can {a} [people|books|cards] be [arranged|ordered|lined up]?",
                "in how many orders can {a} [people|books|cards] stand?",
                "~how many permutations do {a} items have?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the greatest common divisor of {qa} and {qb}",
                "the gcd of {qa} and {qb}",
                "gcd({a}, {b})",
                "the greatest common factor of {qa} and {qb}",
                "the highest common factor of {qa} and {qb}",
                "the gcf of {qa} and {qb}",
                "~the largest common divisor of {qa} and {qb}",
            ),
            sentences=(
                "what is the largest number that divides both {qa} and {qb}?",
                "which is the greatest common divisor of {qa} and {qb}?",
                "~which biggest number divides {qa} as well as {qb}?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the least common multiple of {qa} and {qb}",
                "the lcm of {qa} and {qb}",
                "lcm({a}, {b})",
                "the lowest common multiple of {qa} and {qb}",
                "the smallest common multiple of {qa} and {qb}",
                "~the smallest multiple that {qa} and {qb} share",
            ),
            sentences=(
                "what is the smallest number divisible by both {qa} and {qb}?",
                "which is the least common multiple of {qa} and {qb}?",
                "~which smallest number can be divided by {qa} and by {qb}?",
            ),
        ),
        goal="a least common multiple",
        thought="Find the least common multiple of {a} and {b}",
        code="import math\nmath.lcm({a}, {b})",
        answer="The least common multiple is {out}.",
    ),
    Kind(
        name="prime",
        topic="arithmetic",
        values=one(2, 99_999),
        phrases=Phrases(
            commands=(
                "check [if|whether] {qa} is [a |]prime[ number|]",
                "test [if|whether] {qa} is prime",
                "tell me [if|whether] {qa} is [a |]prime[ number|]",
                "~decide if {qa} is a prime",
            ),
            sentences=(
                "is {qa} [a |]prime[ number|]?",
                "is the number {qa} prime?",
                "{qa}: prime or not?",
                "[do you know|can you say] [if|whether] {qa} is prime?",
                "~would you say {qa} is a prime number?",
                "~does {qa} have divisors other than 1 and itself?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the divisors of {qa}",
                "all divisors of {qa}",
                "the factors of {qa}",
                "all factors of {qa}",
                "all numbers that divide {qa}",
                "~the complete list of divisors of {qa}",
            ),
            commands=("list [the|all] [divisors|factors] of {qa}", "list all numbers that divide {qa}", "~enumerate the divisors of {qa}"),
            sentences=("which numbers divide {qa}?", "what are the [divisors|factors] of {qa}?", "~by which numbers can {qa} be divided?"),
        ),
        goal="the divisors of a number",
        thought="List the divisors of {a}",
        code="[d for d in range(1, {a} + 1) if {a} % d == 0]",
        answer="The divisors are {out}.",
    ),
    Kind(
        name="sum of a range",
        topic="arithmetic",
        values=bounds,
        phrases=Phrases(
            nouns=(
                "the sum of all [numbers|integers] from {a} to {b}",
                "the sum of the numbers from {a} to {b}",
                "the sum of [integers|numbers] between {a} and {b} [inclusive|]",
                "the sum {a} + ... + {b}",
                "the total of all numbers from {a} to {b}",
                "~the sum over every integer from {a} through {b}",
            ),
            commands=(
                "add [up |]all [numbers|integers] from {a} to {b}",
                "sum [up |]the [numbers|integers] from {a} to {b}",
                "sum {a} to {b}",
                "~add together everything from {a} up to {b}",
            ),
            sentences=("what do you get when you add all numbers from {a} to {b}?", "what is {a} + ... + {b}?", "~if i add every whole number from {a} to {b}, what is the total?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the {a}th fibonacci number",
                "fibonacci number {a}",
                "fibonacci({a})",
                "the fibonacci number at position {a}",
                "number {a} of the fibonacci sequence",
                "~element {a} of the fibonacci series",
            ),
            commands=("[compute|find] the {a}th number in the fibonacci sequence", "~go to position {a} in the fibonacci sequence"),
            sentences=("what is the {a}th fibonacci number?", "which fibonacci number is at position {a}?", "~which number stands at place {a} of the fibonacci numbers?"),
        ),
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
        phrases=Phrases(
            nouns=("{qa} in binary", "the binary [form|representation|code|version] of {qa}", "{qa} in base 2", "{qa} as a binary number", "~the bits of {qa}"),
            commands=(
                "convert {qa} to binary",
                "write {qa} in binary",
                "turn {qa} into binary",
                "convert {qa} to base 2",
                "convert the number {qa} to binary",
                "~express {qa} in binary",
            ),
            sentences=("how do you write {qa} in binary?", "what does {qa} look like in binary?", "~how is {qa} written with zeros and ones?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "{qa} in hexadecimal",
                "{qa} in hex",
                "the hex [form|representation|code|value] of {qa}",
                "{qa} in base 16",
                "{qa} as a hexadecimal number",
                "~the hexadecimal digits of {qa}",
            ),
            commands=("convert {qa} to hex[adecimal|]", "write {qa} in hex[adecimal|]", "turn {qa} into hex", "convert {qa} to base 16", "~express {qa} in hexadecimal"),
            sentences=("how do you write {qa} in hex[adecimal|]?", "what does {qa} look like in hex?", "~how is {qa} written in base sixteen?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the binary number {a} in decimal",
                "binary {a} in decimal",
                "the decimal value of binary {a}",
                "{a} from binary to decimal",
                "~the decimal number behind the bits {a}",
            ),
            commands=(
                "convert binary {a} to decimal",
                "convert {a} from binary to decimal",
                "convert the binary number {a} to decimal",
                "~translate the binary number {a} to decimal",
            ),
            sentences=("what is binary {a} as a decimal number?", "which number is {a} in binary?", "~which decimal number do the bits {a} stand for?"),
        ),
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
        phrases=Phrases(
            nouns=("{a} rounded to {n} [decimals|decimal places|digits|places]", "{a} to {n} decimal places", "~the value {a} with only {n} decimals"),
            commands=(
                "round {a} to {n} [decimals|decimal places|digits|places]",
                "round off {a} to {n} decimals",
                "round the number {a} to {n} [decimals|places]",
                "~shorten {a} to {n} decimals",
            ),
            sentences=("what is {a} rounded to {n} decimals?", "~what do you get when {a} is rounded to {n} digits after the point?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the digit sum of {a}",
                "the sum of the digits of {a}",
                "the sum of the digits in {a}",
                "the sum of all digits of {a}",
                "the cross sum of {a}",
                "~the total of the digits that make up {a}",
            ),
            commands=("add [up |]the digits of {a}", "sum the digits of {a}", "add all digits of {a}", "~add together the digits in {a}"),
            sentences=("what do the digits of {a} add up to?", "what is the sum of the digits of {a}?", "~if i add the digits of {a}, what do i get?"),
        ),
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
        phrases=Phrases(
            commands=("check [if|whether] {qa} is even or odd", "tell me [if|whether] {qa} is [odd or even|even or odd]", "~decide whether {qa} is odd or even"),
            sentences=("is {qa} even or odd?", "is {qa} odd or even?", "is {qa} an even or an odd number?", "{qa}: even or odd?", "~would {qa} be an odd or an even number?"),
        ),
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
        phrases=Phrases(
            nouns=("the area of a circle with radius {a}", "the area of a circle of radius {a}", "the circle area for radius {a}", "~the surface of a circle whose radius is {a}"),
            sentences=("a circle has [a |]radius [of |]{a}. what is its area?", "how big is a circle with radius {a}?", "~what area does a circle of radius {a} cover?"),
        ),
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
        phrases=Phrases(
            nouns=(
                "the circumference of a circle with radius {a}",
                "the circumference of a circle of radius {a}",
                "the perimeter of a circle with radius {a}",
                "~the length around a circle whose radius is {a}",
            ),
            sentences=(
                "a circle has [a |]radius [of |]{a}. what is its circumference?",
                "how long is the edge of a circle with radius {a}?",
                "~how far is it around a circle of radius {a}?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the hypotenuse of a right triangle with legs {a} and {b}",
                "the hypotenuse for legs {a} and {b}",
                "the hypotenuse of a triangle with sides {a} and {b}",
                "the diagonal of a [rectangle|field|screen] of {a} by {b}",
                "~the longest side of a right triangle with legs {a} and {b}",
            ),
            sentences=(
                "a right triangle has legs {a} and {b}. how long is the hypotenuse?",
                "how long is the diagonal of a {a} by {b} rectangle?",
                "~the legs of a right triangle are {a} and {b}, find the hypotenuse.",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the perimeter of a rectangle with sides {a} and {b}",
                "the perimeter of a {a} by {b} rectangle",
                "the perimeter of a [field|garden|room] of {a} by {b}",
                "~the distance around a rectangle of {a} by {b}",
            ),
            sentences=(
                "a rectangle is {a} long and {b} wide. what is its perimeter?",
                "how much fence does a {a} by {b} [field|garden] need?",
                "~what perimeter does a rectangle with sides {a} and {b} have?",
            ),
        ),
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
        phrases=Phrases(
            nouns=(
                "the value of {a} after {n} years at {p}% [interest|compound interest|]",
                "{a} [dollars|euros] after {n} years at {p}% [interest|per year|a year]",
                "the compound interest value of {a} at {p}% for {n} years",
                "~the balance of {a} invested for {n} years at {p}%",
            ),
            sentences=(
                "i invest {a} [dollars|euros] at {p}% [interest |]for {n} years. how much do i have [then|at the end]?",
                "how much does {a} grow to in {n} years at {p}%?",
                "what will {a} be worth after {n} years at {p}% interest?",
                "~if i put {a} in a bank at {p}% a year, what is it after {n} years?",
            ),
        ),
        goal="an amount with compound interest",
        thought="Let {a} grow {p} percent for {n} years",
        code="round({a} * (1 + {p} / 100) ** {n}, 2)",
        answer="The amount is {out}.",
    ),
)
