import { PassThrough, Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { askRollback } from '../packages/cli/src/ui/ask-rollback.tsx';
import { openProgress } from '../packages/cli/src/ui/ingest-progress.tsx';

/** A terminal that keeps what is written to it. */
function fakeTerminal() {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  });
  const terminal = Object.assign(stream, { isTTY: true, columns: 120, rows: 40 });
  return { stream: terminal as unknown as NodeJS.WriteStream, shown: () => stripVTControlCharacters(text) };
}

/** A keyboard, as a terminal in raw mode gives it. */
function fakeKeyboard() {
  const raw = { isTTY: true, setRawMode: () => raw, ref: () => raw, unref: () => raw };
  return Object.assign(new PassThrough(), raw);
}

describe('the question before a rollback', () => {
  const question = {
    hook: 'seismic_energy',
    from: { version: 'v3', built: '2026-03-01', source: 'git+https://example.org/quakes@3' },
    to: { version: 'v2', built: '2026-02-01', source: 'git+https://example.org/quakes@2' },
  };

  it.each([
    ['y', true],
    ['Y', true],
    ['n', false],
    ['\r', false],
  ])('shows from and to, and takes %j for %s', async (typed, expected) => {
    const { stream: stderr, shown } = fakeTerminal();
    const stdin = fakeKeyboard();
    const answer = askRollback({ ...question, stdin, stderr, signal: new AbortController().signal });
    await vi.waitFor(() => expect(shown()).toMatch(/from v3 .*@3\s+to +v2 .*@2\s+Roll back\?/));
    stdin.write(typed);
    expect(await answer).toBe(expected);
  });

  it('is interrupted by Ctrl-C, which a terminal in raw mode sends as a character', async () => {
    const { stream: stderr, shown } = fakeTerminal();
    const stdin = fakeKeyboard();
    const answer = askRollback({ ...question, stdin, stderr, signal: new AbortController().signal });
    const refusal = expect(answer).rejects.toMatchObject({ code: 'interrupted' });
    await vi.waitFor(() => expect(shown()).toContain('Roll back?'));
    stdin.write('\u0003');
    await refusal;
  });
});

it('the progress of an ingestion shows its counts', async () => {
  const { stream, shown } = fakeTerminal();
  const view = { title: 'quakes: running', isRunning: true, share: 0.5, counts: [], notes: [] };
  const screen = openProgress(view, stream);
  await vi.waitFor(() => expect(shown()).toContain('quakes: running'));
  screen.show({
    ...view,
    title: 'quakes: completed',
    isRunning: false,
    share: 1,
    counts: [
      ['in', '1,707', false],
      ['errored', '2', true],
    ],
    notes: ['batch 3 waits'],
  });
  await vi.waitFor(() =>
    expect(shown()).toMatch(/quakes: completed[\s\S]*in 1,707 +errored 2[\s\S]*batch 3 waits/),
  );
  await screen.end();
});
