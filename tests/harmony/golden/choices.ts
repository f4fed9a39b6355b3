namespace functions {

type use_choices = (_: {
// A color.
color?: "red" | "green", // default: red
priority: 1 | 2,
mode?: "a" | "b" | 3 | null, // default: a
// Each item: A color.
colors: ("red" | "green")[], // uniqueItems: true
}) => any;

} // namespace functions
