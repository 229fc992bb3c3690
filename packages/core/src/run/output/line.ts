import { OsaError } from '../../error.ts';
import { JsonCursor } from '../../json/cursor.ts';
import { excerpt, excerptOfSource } from '../../text.ts';

/** The content of one line. The id is kept if it can be read, even when the rest of the line is broken. */
export interface Line {
  id: string | undefined;
  /** The first thing that is wrong with the line. */
  problem: string | undefined;
}

export interface NoteLine extends Line {
  note: string;
}

/** Reads a line of `rejections.jsonl` or `errors.jsonl`: `{"id": …, "<field>": text}`; other keys are ignored. */
export function readNote(text: string, field: 'reason' | 'error'): NoteLine {
  const line: NoteLine = { id: undefined, problem: undefined, note: '' };
  try {
    let found = false;
    const members = new LineMembers(text, line);
    for (let key = members.next(); key !== undefined; key = members.next()) {
      const { cursor } = members;
      if (key !== field) cursor.value();
      else if (cursor.kind() === 'string') line.note = cursor.string();
      else line.problem ??= `${field} is ${excerptOfSource(cursor.raw())}, not a string`;
      found ||= key === field;
    }
    if (!found) line.problem ??= `${field} is missing`;
  } catch (error) {
    line.problem ??= malformedMessage(error);
  }
  return line;
}

/** The message of an error about malformed JSON; anything else is thrown on. */
export function malformedMessage(error: unknown): string {
  if (error instanceof OsaError && error.code === 'malformed') return error.message;
  throw error;
}

/** Walks over the members of a line's object, takes the id out of them, and refuses a key that stands twice. */
export class LineMembers {
  readonly cursor: JsonCursor;
  private readonly line: Line;
  private readonly seen = new Set<string>();

  constructor(text: string, line: Line) {
    this.cursor = new JsonCursor(text, { numbers: 'exact' });
    this.line = line;
  }

  /** The next key but `id`, whose value is the cursor's next; undefined at the end of a whole line. */
  next(): string | undefined {
    while (this.more()) {
      const key = this.cursor.key();
      if (this.seen.has(key)) this.cursor.refuseTwin(key);
      this.seen.add(key);
      if (key !== 'id') return key;
      this.readId();
    }
    this.cursor.end();
    if (!this.seen.has('id')) this.line.problem ??= 'the line has no id';
    return undefined;
  }

  private more(): boolean {
    if (this.seen.size > 0) return this.cursor.moreMembers();
    if (this.cursor.kind() === 'object') return this.cursor.enterObject();
    this.line.problem = `${excerptOfSource(this.cursor.raw())} is not an object`;
    return false;
  }

  private readId(): void {
    if (this.cursor.kind() === 'string') this.line.id = this.cursor.string();
    else this.line.problem ??= `the id ${excerptOfSource(this.cursor.raw())} is not a string`;
  }
}

export const describeColumn = (name: string) => `column ${excerpt(name)}`;
