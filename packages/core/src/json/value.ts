/** A parsed JSON text. `N` is the type of a number: a double, or its source text where doubles would round. */
export type JsonValue<N = number> =
  | null
  | boolean
  | N
  | string
  | JsonValue<N>[]
  | { [key: string]: JsonValue<N> };
