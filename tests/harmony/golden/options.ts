namespace functions {

type use_options = (_: {
// Be loud
//
verbose?: boolean, // default: false
level?: number, // minimum: 0, exclusiveMaximum: 5, multipleOf: 1, default: 1
[key: string]: any,
}) => any;

} // namespace functions
