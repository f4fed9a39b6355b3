namespace functions {

type use_discriminated = (_: {
// The pet
pet:
 | {
   kind?: "cat",
   lives?: number, // default: 9
   } // A cat.
 | {
   kind: "dog",
   breed?: string | null, // default: null
   }
,
pets: Array<
     | {
       kind?: "cat",
       lives?: number, // default: 9
       } // A cat.
     | {
       kind: "dog",
       breed?: string | null, // default: null
       }
    >,
}) => any;

} // namespace functions
