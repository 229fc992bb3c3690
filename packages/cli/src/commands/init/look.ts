import { isDate, isDateTime } from '@osa/core/calendar';

/** Facts about all values of one column. */
export interface Column {
  readonly title: string;
  readonly type: 'text' | 'number' | 'date' | 'boolean' | 'url';
  /** Whether every record has a value. */
  readonly isComplete: boolean;
  /** Whether no value is there twice, and each could name its record. */
  readonly isUnique: boolean;
  /** For a text of which most look like something else: what, and a value that shows why it is none. */
  readonly oddity: string | undefined;
}

type Kind = Column['type'];

const tests: readonly (readonly [Kind, (text: string) => boolean])[] = [
  ['number', (text) => /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text)],
  ['boolean', (text) => /^(?:true|false|yes|no|t|f|y|n)$/i.test(text)],
  ['date', (text) => isDate(text) || isDateTime(text)],
  ['url', (text) => /^(?:https?|ftp):\/\/[^\s\\]+$/i.test(text) && URL.canParse(text)],
];

const testOf = (kind: Kind) => tests.find(([name]) => name === kind)?.[1] ?? (() => false);

/** Kinds of text. The example fits where `isExact` is false, and otherwise it does not. */
const likenesses = [
  { name: 'numbers', isExact: true, test: testOf('number') },
  { name: 'dates', isExact: true, test: testOf('date') },
  {
    name: 'numbers with a decimal comma',
    isExact: false,
    test: (text: string) => /^-?\d+(?:\.\d{3})*(?:,\d+)?$/.test(text),
  },
  {
    name: 'dates, but not written YYYY-MM-DD',
    isExact: false,
    test: (text: string) => /^\d{1,2}([./-])\d{1,2}\1\d{4}$/.test(text),
  },
] as const;

/** Ids that are kept to see whether one is there twice. */
const mostIds = 200_000;

/** Looks at the values of a column, one after the other, and keeps few of them. */
export class ColumnLook {
  private readonly title: string;
  private readonly kinds = new Set(tests.map(([kind]) => kind));
  private readonly ids = new Set<string>();
  private isUnique = true;
  private values = 0;
  private readonly alike = likenesses.map((likeness) => ({ ...likeness, count: 0, example: '' }));

  constructor(title: string) {
    this.title = title;
  }

  add(cell: string): void {
    const text = cell.trim();
    if (text === '') return;
    this.values += 1;
    for (const [kind, test] of tests) {
      const fits = this.kinds.has(kind) && test(text);
      if (!fits) this.kinds.delete(kind);
    }
    for (const likeness of this.alike) {
      const fits = likeness.test(text);
      if (fits) likeness.count += 1;
      if (fits !== likeness.isExact) likeness.example ||= text;
    }
    if (!this.isUnique) return;
    if (this.ids.has(text) || Buffer.byteLength(text) > 200) this.isUnique = false;
    else if (this.ids.size < mostIds) this.ids.add(text);
  }

  column(records: number): Column {
    const type = this.values === 0 ? 'text' : (tests.find(([kind]) => this.kinds.has(kind))?.[0] ?? 'text');
    const most = this.alike.find(({ count }) => type === 'text' && count > this.values / 2);
    return {
      title: this.title,
      type,
      isComplete: this.values === records && records > 0,
      isUnique: this.isUnique && this.values === records && records > 0,
      oddity:
        most &&
        `most are ${most.name}, ${most.isExact ? 'but not' : 'such as'} ${JSON.stringify(most.example)}`,
    };
  }
}
