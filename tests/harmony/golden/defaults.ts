namespace functions {

type use_defaults = (_: {
user_name: string,
age?: number | null, // default: null
tags?: string[], // default: []
// How good
score?: number, // minimum: 0, maximum: 1, default: 0.5
}) => any;

} // namespace functions
