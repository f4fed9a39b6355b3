namespace functions {

type use_documented = (_: // Search the web.
// 
// Carefully.
{
// What to
// search
// Examples:
// - "cats"
// - "dogs"
query: string,
when?: "day" | "week" | null, // default: null
// How many
count?: number, // default: 5
page:
 | string // Its name
 | number // Its number
,
}) => any;

} // namespace functions
