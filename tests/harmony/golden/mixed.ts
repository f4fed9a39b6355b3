namespace functions {

type use_mixed = (_: {
movie: {
    title: string,
    year?: number,
    },
stars: 1 | 2 | 3,
extra: string,
// Either
// default: null
shape?:
 | {
   // Street and number
   street: string,
   zip_code: string, // pattern: ^\d{5}$
   } // Where someone lives.
 | {
   title: string,
   year?: number,
   }
 | null
,
}) => any;

} // namespace functions
