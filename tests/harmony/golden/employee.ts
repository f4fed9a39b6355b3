namespace functions {

type Employee = {
name: string,
// Who leads
boss?: Employee | null, // default: null
reports?: Employee[],
};

type use_employee = (_: Employee) => any;

} // namespace functions
