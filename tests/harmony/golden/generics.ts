namespace functions {

type use_generics = (_: {
addresses: {
    // Each item: Where someone lives.
    items: {
        // Street and number
        street: string,
        zip_code: string, // pattern: ^\d{5}$
        }[],
    next?: string | null, // default: null
    },
numbers: {
    items: number[],
    next?: string | null, // default: null
    },
}) => any;

} // namespace functions
