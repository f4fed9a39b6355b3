namespace functions {

// What to look for.
type Query = {
field: string,
operator: "eq" | "lt",
value: string | number | string[],
} | All | Not;

// All of them hold.
type All = {
all: Query[],
};

type Not = {
none: Query,
};

type use_search = (_: {
where: Query,
limit?: number, // exclusiveMinimum: 0, default: 10
}) => any;

} // namespace functions
