import { isDate, isDateTime } from '@osa/core/calendar';
import { isNumber } from '@osa/core/record/cell';
import { excerpt } from '@osa/core/text';
import { KeptIds, type Room } from '../../input/kept-ids.ts';

/** Facts about all values of one column. */
export interface Column {
  readonly title: string;
  readonly type: 'text' | 'number' | 'date' | 'boolean' | 'url';
  /** Whether its values are lists. */
  readonly isList: boolean;
  /** Whether it has objects, or lists of lists, which no field takes. */
  readonly isNested: boolean;
  /** Whether every record has a value. */
  readonly isComplete: boolean;
  /** Whether no value is there twice, and each could name its record. */
  readonly isUnique: boolean;
  /** For a text of which most look like something else, and for values of several kinds: what, and a value that shows it. */
  readonly oddity: string | undefined;
}

type Kind = Column['type'];

const tests: readonly (readonly [Kind, (text: string) => boolean])[] = [
  ['number', isNumber],
  ['boolean', (text) => /^(?:true|false|yes|no|t|f|y|n)$/i.test(text)],
  ['date', (text) => isDate(text) || isDateTime(text)],
  ['url', (text) => /^(?:https?|ftp):\/\/[^\s\\]+$/i.test(text) && URL.canParse(text)],
];

const testOf = (kind: Kind) => tests.find(([name]) => name === kind)?.[1] ?? (() => false);

/** Numbers as programs write them; records have those of JSON only. */
const looseNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Kinds that the values of a text come near, and the values that show why it is a text. */
const likenesses: readonly Likeness[] = [
  { name: 'numbers, but not', test: testOf('number'), shows: (text) => !testOf('number')(text) },
  { name: 'dates, but not', test: testOf('date'), shows: (text) => !testOf('date')(text) },
  {
    name: 'numbers with a decimal comma, such as',
    test: (text) => /^-?\d+(?:\.\d{3})*(?:,\d+)?$/.test(text),
    shows: (text) => /^-?\d+(?:\.\d{3})*,\d+$/.test(text),
  },
  ...[
    { name: 'numbers, some without a digit before the point, such as', pattern: /^[+-]?\./ },
    { name: 'numbers, some without a digit after the point, such as', pattern: /\.(?:[eE]|$)/ },
    { name: 'numbers, some with a leading +, such as', pattern: /^\+/ },
    { name: 'numbers, some with leading zeros, such as', pattern: /^[+-]?0\d/, isOfWidths: true },
  ].map(({ name, pattern, isOfWidths = false }) => ({
    name,
    test: (text: string) => looseNumber.test(text),
    shows: (text: string) => looseNumber.test(text) && pattern.test(text),
    isOfWidths,
  })),
  ...[
    { name: 'dates, but not written YYYY-MM-DD, such as', pattern: /^\d{1,2}([./-])\d{1,2}\1\d{4}$/ },
    {
      name: 'times, but not written YYYY-MM-DDTHH:MM:SSZ, such as',
      pattern: /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/,
    },
  ].map(({ name, pattern }) => ({
    name,
    test: (text: string) => pattern.test(text),
    shows: (text: string) => pattern.test(text),
  })),
];

interface Likeness {
  readonly name: string;
  readonly test: (text: string) => boolean;
  readonly shows: (text: string) => boolean;
  /** Whether it counts only among values of different lengths: others are codes, such as `01234`. */
  readonly isOfWidths?: boolean;
}

/** Memory for the values of all columns that are kept to see whether one is there twice. */
export interface Rooms {
  /** For columns with the title of an id: where all values differ, such a column becomes the id. */
  readonly ids: Room;
  readonly others: Room;
}

const roomBytes = 24 * 2 ** 20;

export function newRooms(): Rooms {
  return { ids: { bytes: roomBytes }, others: { bytes: roomBytes } };
}

export function isIdTitle(title: string): boolean {
  return ['source_id', 'id'].includes(title.toLowerCase());
}

/** Whether a title ends as those of ids do. */
export function isLikeId(title: string): boolean {
  return /(?:^|[_\s-])(?:id|key|code|uuid|identifier|number|nr|no)$/i.test(title);
}

/** Looks at the values of a column, one after the other, and keeps few of them. */
export class ColumnLook {
  private readonly title: string;
  private readonly kinds = new Set(tests.map(([kind]) => kind));
  private readonly ids: KeptIds<true>;
  private isUnique = true;
  private values = 0;
  private shortest = Number.POSITIVE_INFINITY;
  private longest = 0;
  private isNested = false;
  /** A value of JSON of each kind. */
  private readonly shapes = new Map<Shape, string>();
  private readonly alike = likenesses.map((likeness) => ({ ...likeness, count: 0, example: '' }));

  constructor(title: string, rooms: Rooms) {
    this.title = title;
    this.ids = new KeptIds(isLikeId(title) ? rooms.ids : rooms.others);
  }

  /** A cell of a table, which is read as its field says. */
  add(cell: string): void {
    const text = cell.trim();
    if (text === '') return;
    this.values += 1;
    this.look(text, undefined);
  }

  /** A value of JSON, which has a type of its own. */
  addJson(value: unknown): void {
    if (value === null || value === undefined) return;
    this.values += 1;
    if (Array.isArray(value)) {
      this.countOut();
      this.see('list', value);
      if (value.includes(null)) this.see('hole', value);
      for (const item of value) if (item !== null) this.addScalar(item);
      return;
    }
    this.see('single', value);
    this.addScalar(value);
  }

  private addScalar(value: unknown): void {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const kind = jsonKind(value, text);
    if (kind === undefined) {
      this.isNested = true;
      this.countOut();
    } else {
      this.see(kind, value);
      this.look(text, kind);
    }
  }

  private countOut(): void {
    this.isUnique = false;
    this.ids.clear();
  }

  private see(shape: Shape, value: unknown): void {
    if (!this.shapes.has(shape)) this.shapes.set(shape, excerpt(value));
  }

  /** @param json the kind that JSON says; a text may be a date or a URL */
  private look(text: string, json: JsonKind | undefined): void {
    this.shortest = Math.min(this.shortest, text.length);
    this.longest = Math.max(this.longest, text.length);
    for (const [kind, test] of tests) {
      const isOther = json !== undefined && (json === 'text' ? isOfJson(kind) : kind !== json);
      const fits = this.kinds.has(kind) && !isOther && test(text);
      if (!fits) this.kinds.delete(kind);
    }
    for (const likeness of this.alike) {
      if (likeness.test(text)) likeness.count += 1;
      if (likeness.example === '' && likeness.shows(text)) likeness.example = text;
    }
    if (!this.isUnique) return;
    if (text !== '' && !this.ids.find(text) && Buffer.byteLength(text) <= 200) this.ids.keep(text, true);
    else this.countOut();
  }

  column(records: number): Column {
    const type = this.longest === 0 ? 'text' : (tests.find(([kind]) => this.kinds.has(kind))?.[0] ?? 'text');
    const isList = this.shapes.has('list');
    const most = this.alike.find(
      ({ count, example, isOfWidths = false }) =>
        type === 'text' &&
        example !== '' &&
        count > this.values / 2 &&
        (!isOfWidths || this.shortest < this.longest),
    );
    return {
      title: this.title,
      type,
      isList,
      isNested: this.isNested,
      isComplete: this.values === records && records > 0,
      isUnique: this.isUnique && this.values === records && records > 0,
      oddity: this.misfit(type) ?? (most && `most are ${most.name} ${JSON.stringify(most.example)}`),
    };
  }

  /** Values of JSON that the field does not take. */
  private misfit(type: Kind): string | undefined {
    const hole = this.shapes.get('hole');
    if (hole !== undefined) return `some lists have null, such as ${hole}, and make their records invalid`;
    const single = this.shapes.has('list') ? this.shapes.get('single') : undefined;
    if (single !== undefined) return `some are no lists, such as ${single}, and make their records invalid`;
    const other = type === 'text' ? (this.shapes.get('number') ?? this.shapes.get('boolean')) : undefined;
    return other && `some are no texts, such as ${other}, and make their records invalid`;
  }
}

type JsonKind = 'text' | 'number' | 'boolean';
type Shape = JsonKind | 'list' | 'single' | 'hole';

/** Undefined for objects and lists. Numbers that no double keeps are raw JSON. */
function jsonKind(value: unknown, text: string): JsonKind | undefined {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'boolean';
  return /^-?\d/.test(text) ? 'number' : undefined;
}

/** Kinds that JSON has of its own. */
const isOfJson = (kind: Kind) => kind === 'number' || kind === 'boolean';
