import { OsaError } from '@osa/core/error';
import { numberProblem } from '@osa/core/json/number';
import { rawNumber } from '@osa/core/json/raw';

/**
 * The expression of `--where`, such as `energy_j > 1e9 and (source in ("us", "ak") or not depth is null)`, as a filter of
 * the API. `and` binds more than `or`, and `not` more than both.
 */

type Filter = Readonly<Record<string, unknown>>;

/** The text as it was given, and what it means. */
export interface Where {
  readonly text: string;
  readonly filter: Filter;
}

/** @throws OsaError `usage` with a mark below the place that cannot be read */
export function readWhere(text: string): Where {
  const reader = new Reader(text);
  const filter = reader.either();
  if (reader.token.kind !== 'end') throw reader.flaw('expected "and", "or" or the end');
  return { text, filter };
}

interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign' | 'end' | 'strange';
  readonly text: string;
  readonly at: number;
}

const pattern =
  /\s*(?:(?<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))|(?<word>[A-Za-z_][\w.]*)|(?<sign>>=|<=|!=|<>|==|[=<>(),])|(?<end>$)|(?<strange>.))/suy;

const signs: Readonly<Record<string, string>> = {
  '=': 'eq',
  '==': 'eq',
  '!=': 'neq',
  '<>': 'neq',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
};

/** Brackets without a meaning count, too, which no filter of the API has. */
const mostNested = 100;

class Reader {
  token: Token = { kind: 'end', text: '', at: 0 };
  private readonly source: string;
  private next = 0;
  private depth = 0;

  constructor(source: string) {
    this.source = source;
    this.advance();
  }

  either(): Filter {
    return this.combined('or', () => this.all());
  }

  flaw(problem: string, { at } = this.token): OsaError {
    const line = this.source.replaceAll(/\s/g, ' ');
    const from = Math.max(0, at - 60);
    const mark = `${' '.repeat(at - from)}^`;
    const message = `--where: ${problem}\n${line.slice(from, from + 76)}\n${mark}`;
    return new OsaError('usage', message, { field: '--where', details: { offset: at } });
  }

  private all(): Filter {
    return this.combined('and', () => this.one());
  }

  private combined(kind: 'and' | 'or', read: () => Filter): Filter {
    const operands = [read()];
    while (this.takes(kind)) operands.push(read());
    const [first = {}] = operands;
    return operands.length === 1 ? first : { kind, operands };
  }

  private one(): Filter {
    this.depth += 1;
    if (this.depth > mostNested) throw this.flaw(`brackets and "not" are nested ${mostNested} deep at most`);
    const filter = this.part();
    this.depth -= 1;
    return filter;
  }

  private part(): Filter {
    if (this.takes('not')) return { kind: 'not', operand: this.one() };
    if (this.takes('(')) {
      const filter = this.either();
      this.require(')');
      return filter;
    }
    if (this.token.kind !== 'word') throw this.flaw('expected a column, such as energy_j > 1e9');
    const field = this.take().text;
    return { kind: 'predicate', field, ...this.comparison() };
  }

  private comparison(): Filter {
    const op = this.token.kind === 'sign' ? signs[this.token.text] : undefined;
    if (op !== undefined) {
      this.take();
      return { op, value: this.value() };
    }
    if (this.takes('contains')) return { op: 'contains', value: this.value() };
    if (this.takes('is')) {
      const isNot = this.takes('not');
      this.require('null');
      return { op: 'is_null', value: !isNot };
    }
    if (this.takes('in')) {
      this.require('(');
      const values = [this.value()];
      while (this.takes(',')) values.push(this.value());
      this.require(')');
      return { op: 'in', value: values };
    }
    throw this.flaw('expected =, !=, <, <=, >, >=, in, contains or is null');
  }

  private value(): unknown {
    const token = this.take();
    if (token.kind === 'number') {
      const problem = numberProblem(token.text);
      if (problem !== undefined) throw this.flaw(problem, token);
      return rawNumber(token.text);
    }
    if (token.kind === 'text') return this.textOf(token);
    const word = token.text.toLowerCase();
    if (token.kind === 'word' && (word === 'true' || word === 'false')) return word === 'true';
    throw this.flaw('expected a number, true, false, or a text in quotes such as "reported"', token);
  }

  private textOf(token: Token): string {
    if (token.text.startsWith("'")) return token.text.slice(1, -1).replaceAll("''", "'");
    try {
      return JSON.parse(token.text) as string;
    } catch {
      throw this.flaw(
        'this text is not one of JSON; write \\" for a quote in it, or use single quotes',
        token,
      );
    }
  }

  private takes(word: string): boolean {
    const { kind, text } = this.token;
    const isIt = (kind === 'word' && text.toLowerCase() === word) || (kind === 'sign' && text === word);
    if (isIt) this.take();
    return isIt;
  }

  private require(word: string): void {
    if (!this.takes(word)) throw this.flaw(`expected ${word.length > 1 ? word : `"${word}"`}`);
  }

  private take(): Token {
    const { token } = this;
    this.advance();
    return token;
  }

  private advance(): void {
    pattern.lastIndex = this.next;
    const { 0: found = '', groups = {} } = pattern.exec(this.source) ?? {};
    this.next += found.length;
    const [kind = 'end', text = ''] = Object.entries(groups).find(([, part]) => part !== undefined) ?? [];
    this.token = { kind: kind as Token['kind'], text, at: this.next - text.length };
    if (kind !== 'strange') return;
    throw this.flaw(
      /["']/.test(text) ? 'this quote is not closed' : `${JSON.stringify(text)} is not expected here`,
    );
  }
}
