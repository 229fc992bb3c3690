/** Something that took time, as a part of a trace (OpenTelemetry). It holds codes, names and ids, never content. */
export interface Span {
  /** 32 and 16 hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId?: string | undefined;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'consumer';
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Why it failed; left out where it did not. */
  readonly error?: string | undefined;
}

export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;
