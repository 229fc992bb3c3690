import { createHash } from 'node:crypto';
import { OsaError } from '../../error.ts';
import { decodeUtf8, decodeUtf8Start } from '../../json/parse.ts';
import { bounds } from '../../limits.ts';
import { cut, excerpt } from '../../text.ts';
import { FeatureReader } from './features.ts';
import { type FileLine, type OutputFile, outputFiles, readLines } from './files.ts';
import type { Judged, JudgeTask, PlannedLine, Verdict } from './judgement.ts';
import { type Line, malformedMessage, readNote } from './line.ts';
import { describeNoAnswer } from './no-answer.ts';
import { rejectAll, rejectionOfAll } from './progress.ts';

/** Reads all files once and decides on every record. Runs to the end without a pause: call it off the event loop. */
export function judgeOutput(task: JudgeTask): Judged {
  const judge = new Judge(task);
  try {
    for (const name of outputFiles) judge.readFile(name);
    const rejection = rejectionOfAll(task);
    return rejection === undefined
      ? judge.result(judge.wholeFailure())
      : rejectAll(judge.result(null), rejection);
  } catch (error) {
    const broken = error instanceof OsaError && (error.code === 'invalid' || error.code === 'too_large');
    if (!broken) throw error;
    return judge.result(cut(error.message, bounds.reasonLength));
  }
}

/** The number of lines about no record of the batch, in words; null when there are none. */
export function describeStrays({
  strayLines,
  strayExamples: [first],
}: Pick<Judged, 'strayLines' | 'strayExamples'>): string | null {
  if (first === undefined) return null;
  return strayLines === 1
    ? first
    : `${first} (the first of ${strayLines} lines about no record of the batch)`;
}

const strayExamplesKept = 5;
/** Bytes at the start of a broken line in which its id is looked for. */
const idBytes = 16 * 1024;

/** A hook answers once for each record. This is ample for one that errs, and bounds the work for one that floods. */
const mostLines = (records: number) => 10 * records + 1_000;

/** The first answer for a record, and where it stood. */
interface Answer {
  readonly verdict: Verdict;
  readonly place: string;
  readonly line: number;
  /** Whether the line could be read and keeps the contract. */
  readonly isWhole: boolean;
  /** The place of the second answer, which makes both worthless. */
  again?: string;
}

class Judge {
  private readonly task: JudgeTask;
  private readonly reader: FeatureReader;
  private readonly records: ReadonlyMap<string, number>;
  private readonly budget: { bytes: number; readonly of: number };
  private readonly answers: (Answer | undefined)[];
  private readonly digests = new Map<OutputFile, string>();
  readonly strayExamples: string[] = [];
  strayLines = 0;
  private lines = 0;
  private rows = 0;

  constructor(task: JudgeTask) {
    this.task = task;
    this.reader = new FeatureReader(task.rules);
    this.records = new Map(task.recordIds.map((id, index) => [id, index]));
    this.budget = { bytes: task.limits.outputBytes, of: task.limits.outputBytes };
    this.answers = task.recordIds.map(() => undefined);
  }

  readFile(name: OutputFile): void {
    const { directory, limits, recordIds } = this.task;
    const most = mostLines(recordIds.length);
    const onEnd = (sha256: string) => this.digests.set(name, sha256);
    for (const line of readLines({
      directory,
      name,
      lineBytes: limits.lineBytes,
      budget: this.budget,
      onEnd,
    })) {
      if (++this.lines > most) {
        throw new OsaError('too_large', `too many lines: more than ${most} for ${recordIds.length} records`);
      }
      if (!isBlank(line.bytes)) this.readLine(name, line);
    }
  }

  /** A hook that wrote lines and answered for nobody with them broke its contract as a whole. */
  wholeFailure(): string | null {
    const strays = describeStrays(this);
    if (strays === null || this.answers.some((answer) => answer !== undefined)) return null;
    return `the hook did not answer for any record: ${strays}`;
  }

  result(failure: string | null): Judged {
    const common = {
      outputDigest: outputDigest(this.digests),
      strayLines: this.strayLines,
      strayExamples: this.strayExamples,
      failure,
    };
    if (failure !== null) {
      const verdict: Verdict = { status: 'errored', reason: failure };
      const plan = { sha256: undefined, lines: [] };
      const open = [...this.answers.keys()];
      return { ...common, verdicts: this.answers.map(() => verdict), open, rowCount: 0, plan };
    }
    const strays = describeStrays(this);
    const missing = this.unansweredBecause(strays);
    const verdicts = this.answers.map((answer) => (answer ? finalVerdict(answer) : missing));
    const lines = this.plannedLines(verdicts);
    const rowCount = lines.reduce((sum, line) => sum + line.rowCount, 0);
    const plan = { sha256: this.digests.get('features.jsonl'), lines };
    const open = [...this.answers.keys()].filter((record) => !isWholeAnswer(this.answers[record]));
    return { ...common, verdicts, open, rowCount, plan };
  }

  private unansweredBecause(strays: string | null): Verdict {
    if (strays !== null) return errored(`${unanswered.reason}: ${strays}`);
    if (this.answers.some((answer) => answer !== undefined)) return unanswered;
    return errored(`${unanswered.reason}: ${describeNoAnswer(this.task.directory)}`);
  }

  private readLine(name: OutputFile, line: FileLine): void {
    const place = `${name} line ${line.number}`;
    const said = this.whatLineSays(name, line);
    const record = said.id === undefined ? undefined : this.records.get(said.id);
    if (record === undefined) {
      const id = said.id === undefined ? undefined : `no record of the batch has the id ${excerpt(said.id)}`;
      this.stray(`${place}: ${id ?? said.problem ?? 'the line has no id'}`);
      return;
    }
    const before = this.answers[record];
    const verdict = said.problem === undefined ? said.verdict : errored(`${place}, ${said.problem}`);
    if (before) before.again ??= place;
    else this.answers[record] = { verdict, place, line: line.number, isWhole: said.problem === undefined };
  }

  private whatLineSays(name: OutputFile, line: FileLine): Line & { readonly verdict: Verdict } {
    const none = { id: undefined, problem: undefined, verdict: unanswered };
    if (line.tooLong) {
      const problem = `the line is longer than ${this.task.limits.lineBytes} bytes`;
      return { ...none, id: this.idOf(line), problem };
    }
    let text: string;
    try {
      text = decodeUtf8(line.bytes);
    } catch (error) {
      return { ...none, id: this.idOf(line), problem: malformedMessage(error) };
    }
    if (name === 'features.jsonl') return this.readFeatures(text);
    const said = readNote(text, name === 'rejections.jsonl' ? 'reason' : 'error');
    const reason = noteText(said.note);
    return { ...said, verdict: { status: name === 'rejections.jsonl' ? 'rejected' : 'errored', reason } };
  }

  private readFeatures(text: string): Line & { readonly verdict: Verdict } {
    const said = this.reader.check(text);
    this.rows += said.rowCount;
    const most = this.task.limits.rowsPerBatch;
    if (this.rows > most)
      throw new OsaError('too_large', `too many rows: a batch has at most ${most} under one hook`);
    return { ...said, verdict: { status: 'passed', rowCount: said.rowCount } };
  }

  /** The id that stands at the start of a line which cannot be read whole. */
  private idOf(line: FileLine): string | undefined {
    return readNote(decodeUtf8Start(line.bytes.subarray(0, idBytes)), 'reason').id;
  }

  private stray(example: string): void {
    this.strayLines++;
    if (this.strayExamples.length < strayExamplesKept) this.strayExamples.push(cut(example, 300));
  }

  private plannedLines(verdicts: readonly Verdict[]): PlannedLine[] {
    return verdicts
      .flatMap((verdict, record) => {
        const line = this.answers[record]?.line;
        const hasRows = verdict.status === 'passed' && verdict.rowCount > 0;
        return hasRows && line !== undefined ? [{ line, record, rowCount: verdict.rowCount }] : [];
      })
      .sort((left, right) => left.line - right.line);
  }
}

const unanswered = {
  status: 'errored',
  reason: 'the hook did not answer for this record',
} as const satisfies Verdict;

function isWholeAnswer(answer: Answer | undefined): boolean {
  return answer?.isWhole === true && answer.again === undefined;
}

function finalVerdict({ verdict, place, again }: Answer): Verdict {
  return again === undefined ? verdict : errored(`answered more than once (${place}, ${again})`);
}

function errored(reason: string): Verdict {
  return { status: 'errored', reason: cut(reason, bounds.reasonLength) };
}

/** A hook's text, cut, and copied so that it does not keep its whole line in memory. */
function noteText(note: string): string {
  const text = Buffer.from(cut(note, bounds.reasonLength)).toString();
  return text.trim() === '' ? 'the hook gave no reason' : text;
}

/** The digest that `sha256sum features.jsonl … | sha256sum` computes over the files that are there, in their order. */
function outputDigest(digests: ReadonlyMap<OutputFile, string>): string {
  const hash = createHash('sha256');
  for (const [name, sha256] of digests) hash.update(`${sha256}  ${name}\n`);
  return hash.digest('hex');
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
