namespace functions {

type Tree = {
value: number,
children?: Tree[], // default: []
};

type use_recursive = (_: {
tree: Tree,
other?: Tree | null, // default: null
}) => any;

} // namespace functions
