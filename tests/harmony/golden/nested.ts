namespace functions {

type use_nested = (_: {
// Where someone lives.
home: {
    // Street and number
    street: string,
    zip_code: string, // pattern: ^\d{5}$
    },
// Where someone lives.
work?: {
    // Street and number
    street: string,
    zip_code: string, // pattern: ^\d{5}$
    } | null, // default: null
// Further addresses
// Each item: Where someone lives.
others?: {
    // Street and number
    street: string,
    zip_code: string, // pattern: ^\d{5}$
    }[], // default: []
// Each value: Where someone lives.
by_name?: Record<string, {
    // Street and number
    street: string,
    zip_code: string, // pattern: ^\d{5}$
    }>, // default: {}
}) => any;

} // namespace functions
