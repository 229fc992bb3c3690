/** What a JSON text holds. `N` is what stands for a number: a double, or its source text where doubles would round. */
export type JsonValue<N = number> =
  | null
  | boolean
  | N
  | string
  | JsonValue<N>[]
  | { [key: string]: JsonValue<N> };
