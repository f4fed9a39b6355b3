namespace functions {

type use_containers = (_: {
point: [number, number],
pairs: [string, number][],
rest: number[],
anything?: any, // default: null
free: Record<string, any>,
values: Record<string, number | string>,
by_side: Record<"left" | "right", number>,
grid: (number | null)[][],
deep: Record<string, Record<string, number[]>>,
}) => any;

} // namespace functions
