/** A promise that a run has broken: which one, and how. */
export interface Violation {
  readonly invariant: `I${number}`;
  readonly kind: 'misattributed' | 'lost' | 'duplicated' | 'left over' | 'other';
  readonly what: string;
}

export type Report = (invariant: Violation['invariant'], what: string, kind?: Violation['kind']) => unknown;
