declare const brand: unique symbol;

/** A base type with a name: two of the same base and other names do not mix. */
export type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };
