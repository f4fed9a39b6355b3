"""Pydantic models as people write them for tools; `golden/` holds how the model is shown each."""

import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Any, Generic, Literal, Required, TypeVar

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, Json, PositiveInt, RootModel, StringConstraints
from typing_extensions import TypedDict

Item = TypeVar("Item")


class Defaults(BaseModel):
    user_name: str
    age: int | None = None
    tags: list[str] = []
    score: float = Field(0.5, ge=0, le=1, description="How good")


class Address(BaseModel):
    """Where someone lives."""

    street: str = Field(description="Street and number")
    zip_code: Annotated[str, Field(pattern=r"^\d{5}$")]


class Nested(BaseModel):
    home: Address
    work: Address | None = None
    others: list[Address] = Field([], description="Further addresses")
    by_name: dict[str, Address] = {}


class Cat(BaseModel):
    """A cat."""

    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    breed: str | None = None


class Discriminated(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind", description="The pet")]
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]


class Color(enum.Enum):
    """A color."""

    RED = "red"
    GREEN = "green"


class Priority(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Choices(BaseModel):
    color: Color = Color.RED
    priority: Priority
    mode: Literal["a", "b", 3, None] = "a"
    colors: set[Color]


class Tree(BaseModel):
    value: int
    children: list["Tree"] = []


class Recursive(BaseModel):
    tree: Tree
    other: Tree | None = None


class Formats(BaseModel):
    at: datetime.datetime
    day: datetime.date
    time: datetime.time
    lasting: datetime.timedelta
    id: uuid.UUID
    url: HttpUrl
    path: pathlib.Path
    address: ipaddress.IPv4Address
    amount: decimal.Decimal
    payload: bytes


class Aliases(BaseModel):
    query: str = Field(alias="query-text")
    max_items: int = Field(10, alias="maxItems", ge=1, le=100)
    class_: Literal["first", "second"] = Field("first", alias="class")


class Containers(BaseModel):
    point: tuple[float, float]
    pairs: list[tuple[str, int]]
    rest: tuple[int, ...]
    anything: Any = None
    free: dict[str, Any]
    values: dict[str, int | str]
    by_side: dict[Literal["left", "right"], int]
    grid: list[list[int | None]]
    deep: dict[str, dict[str, list[int]]]


class Expression(BaseModel):
    """A sum or difference."""

    operator: Literal["+", "-"]
    left: "Expression | float"
    right: "Expression | float" = Field(description="What is added or taken away")


class Calculation(BaseModel):
    expression: Expression


class Options(BaseModel):
    model_config = ConfigDict(extra="allow", title="All options")

    verbose: bool = Field(False, title="Be loud")
    level: Annotated[int, Field(ge=0, lt=5, multiple_of=1)] = 1


class Filter(BaseModel):
    field: str
    operator: Literal["eq", "lt"]
    value: str | int | list[str]


class All(BaseModel):
    """All of them hold."""

    all: list["Query"]


class Not(BaseModel):
    none: "Query"


class Query(RootModel[Filter | All | Not]):
    """What to look for."""


class Search(BaseModel):
    where: Query
    limit: PositiveInt = 10


class Constrained(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    words: Annotated[
        list[Annotated[str, Field(description="One word", min_length=2)]],
        Field(min_length=1, max_length=5, description="The words"),
    ]


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next: str | None = None


class Generics(BaseModel):
    addresses: Page[Address]
    numbers: Page[int]


class Employee(BaseModel):
    name: str
    boss: "Employee | None" = Field(None, description="Who leads")
    reports: list["Employee"] = Field(default_factory=list)


class Documented(BaseModel):
    """Search the web.

    Carefully.
    """

    query: str = Field(description="What to\nsearch", examples=["cats", "dogs"])
    when: Literal["day", "week"] | None = None
    count: int = Field(5, description="How many")
    page: Annotated[str, Field(description="Its name")] | Annotated[int, Field(description="Its number")]


class Movie(TypedDict, total=False):
    title: Required[str]
    year: int


class Mixed(BaseModel):
    movie: Movie
    stars: Literal[1, 2, 3]
    extra: Json[Any]
    shape: Address | Movie | None = Field(None, description="Either")


MODELS: tuple[type[BaseModel], ...] = (
    Defaults, Nested, Discriminated, Choices, Tree, Recursive, Formats, Aliases, Containers, Calculation, Options,
    Search, Constrained, Generics, Employee, Documented, Mixed,
)  # fmt: skip
