import { OsaError } from '../error.ts';
import { type PatternNode, parsePattern } from './pattern-syntax.ts';

/**
 * Patterns are written by those who deploy and run over what others upload, so they must not be able to hang the
 * daemon. They are ECMAScript regular expressions with the flag u and mean the same as there, searched anywhere in the
 * value unless anchored. They are run as an automaton that is in all its states at once (Thompson 1968), so every
 * pattern takes time proportional to states × length. Lookaround and back references are refused: they need
 * backtracking.
 */
export interface Pattern {
  /** Values of more UTF-16 units than this are refused, not searched: it bounds one search to `searchSteps`. */
  readonly longest: number;
  /** False as well when no step is left of `steps`; the caller looks. */
  test(value: string, steps?: Steps): boolean;
}

/** The steps that are left for searches: each state that is entered at a place of a value is one. */
export interface Steps {
  left: number;
}

/**
 * The flaw of `source` as a pattern, or undefined. Ask before a schema is stored.
 */
export function patternProblem(source: string): string | undefined {
  try {
    compilePattern(source);
    return undefined;
  } catch (error) {
    if (error instanceof OsaError && error.code === 'invalid') return error.message;
    throw error;
  }
}

/** @throws OsaError `invalid` when `source` is not a regular expression, cannot run in linear time, or is too large. */
export function compilePattern(source: string): Pattern {
  const program = new Program();
  const start = program.add(parsePattern(source), program.state({ kind: 'match' }));
  const { states } = program;
  return {
    longest: Math.floor(searchSteps / states.length),
    test: (value, steps = { left: Number.POSITIVE_INFINITY }) => search({ states, start, value, steps }),
  };
}

/** A search of this many steps takes some 50 ms. */
const searchSteps = 5_000_000;
const mostStates = 2_000;
/** Bounds what repetitions of nothing cost, such as `(?:){1000000}`, which add no states. */
const mostParts = 8_000;

type State =
  | { readonly kind: 'match' }
  | { readonly kind: 'char'; readonly matches: (point: number) => boolean; readonly next: number }
  | { readonly kind: 'assert'; readonly holds: Assertion; readonly next: number }
  | { readonly kind: 'fork'; readonly next: number[] };

type Assertion = Extract<PatternNode, { kind: 'assert' }>['holds'];

/** The states of the automaton, made from the end backwards: each part knows the state that comes after it. */
class Program {
  readonly states: State[] = [];
  private parts = 0;

  state(state: State): number {
    if (this.states.length >= mostStates) throw tooLarge();
    return this.states.push(state) - 1;
  }

  /** Adds `node` before the state `next`; the answer is the state it starts in. */
  add(node: PatternNode, next: number): number {
    if (++this.parts > mostParts) throw tooLarge();
    switch (node.kind) {
      case 'char':
        return this.state({ kind: 'char', matches: node.matches, next });
      case 'assert':
        return this.state({ kind: 'assert', holds: node.holds, next });
      case 'sequence':
        return node.items.reduceRight((after, item) => this.add(item, after), next);
      case 'choice':
        return this.state({ kind: 'fork', next: node.options.map((option) => this.add(option, next)) });
      case 'repeat':
        return this.repeat(node, next);
    }
  }

  private repeat(node: Extract<PatternNode, { kind: 'repeat' }>, next: number): number {
    let start = next;
    if (node.most === Number.POSITIVE_INFINITY) {
      const loop: number[] = [next];
      start = this.state({ kind: 'fork', next: loop });
      loop.push(this.add(node.item, start));
    } else {
      for (let copy = node.least; copy < node.most; copy++) {
        start = this.state({ kind: 'fork', next: [next, this.add(node.item, start)] });
      }
    }
    for (let copy = 0; copy < node.least; copy++) start = this.add(node.item, start);
    return start;
  }
}

function tooLarge(): OsaError {
  return new OsaError(
    'invalid',
    `is too large: with its repetitions written out it has more than ${mostStates} parts; use smaller counts`,
  );
}

interface Search {
  readonly states: readonly State[];
  readonly start: number;
  readonly value: string;
  readonly steps: Steps;
}

/** Whether a match starts anywhere in `value`. */
function search({ states, start, value, steps }: Search): boolean {
  const reachedAt = new Int32Array(states.length).fill(-1);
  let waiting: number[] = [];
  let before: number | undefined;
  for (let at = 0; ; ) {
    const after = value.codePointAt(at);
    const found = spread({ states, from: [...waiting, start], before, after, reachedAt, at, steps });
    if (steps.left <= 0) return false;
    if (found === 'match' || after === undefined) return found === 'match';
    waiting = [];
    for (const state of found) if (state.matches(after)) waiting.push(state.next);
    before = after;
    at += after > 0xffff ? 2 : 1;
  }
}

interface Spread {
  readonly states: readonly State[];
  readonly from: number[];
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** The last place in the value at which each state was reached, so that each is entered once a place. */
  readonly reachedAt: Int32Array;
  readonly at: number;
  readonly steps: Steps;
}

/** All states that wait for a character, reached from `from` without one; or that the pattern has matched. */
function spread({ states, from, before, after, reachedAt, at, steps }: Spread) {
  const found: Extract<State, { kind: 'char' }>[] = [];
  for (let index = from.pop(); index !== undefined; index = from.pop()) {
    const state = states[index];
    steps.left -= 1;
    if (state === undefined || reachedAt[index] === at) continue;
    reachedAt[index] = at;
    if (state.kind === 'match') return 'match';
    if (state.kind === 'char') found.push(state);
    else if (state.kind === 'fork') for (const next of state.next) from.push(next);
    else if (state.holds(before, after)) from.push(state.next);
  }
  return found;
}
