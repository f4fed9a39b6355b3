namespace functions {

type Tree = {
value: number,
children?: Tree[], // default: []
};

type use_tree = (_: Tree) => any;

} // namespace functions
