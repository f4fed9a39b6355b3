namespace functions {

type use_constrained = (_: {
name?: string | null, // minLength: 1, maxLength: 40, default: null
// The words
// Each item: One word
// Each item: minLength: 2
words: string[], // minItems: 1, maxItems: 5
}) => any;

} // namespace functions
