namespace functions {

// A sum or difference.
type Expression = {
operator: "+" | "-",
left: Expression | number,
// What is added or taken away
right: Expression | number,
};

type use_calculation = (_: {
expression: Expression,
}) => any;

} // namespace functions
