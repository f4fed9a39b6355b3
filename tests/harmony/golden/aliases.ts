namespace functions {

type use_aliases = (_: {
"query-text": string,
maxItems?: number, // minimum: 1, maximum: 100, default: 10
class?: "first" | "second", // default: first
}) => any;

} // namespace functions
