import { PassThrough, Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { ask } from '../../../packages/cli/src/terminal/ui/ask.tsx';
import { choose } from '../../../packages/cli/src/terminal/ui/choose.tsx';
import { openProgress } from '../../../packages/cli/src/terminal/ui/ingest-progress.tsx';

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

describe('a question', () => {
  const question = 'Roll back seismic_energy to v2?';

  const asked = async () => {
    const { stream: stderr, shown } = fakeTerminal();
    const stdin = fakeKeyboard();
    const answer = ask({ question, stdin, stderr, signal: new AbortController().signal });
    await vi.waitFor(() => expect(shown()).toContain('Roll back seismic_energy to v2? (y/N)'));
    return { stdin, answer, shown };
  };

  test.each([
    ['y\n', true],
    ['y\r', true],
    ['Y\r\n', true],
    ['yes\n', true],
    ['YES\r', true],
    [' y \n', true],
    ['n\n', false],
    ['yeah\n', false],
    ['y y\n', false],
    ['\r', false],
    ['\n', false],
    ['\u001b', false],
    ['\u0004', false],
  ])('takes %j in one piece for %s', async (typed, expected) => {
    const { stdin, answer } = await asked();
    stdin.write(typed);
    expect(await answer).toBe(expected);
  });

  test.each([
    ['yes', '\r', true],
    ['Y', '\n', true],
    ['no', '\r', false],
    ['ux\u007f\u007fy', '\r', true],
  ])(
    'takes %j typed key by key, then %j, for %s, and leaves nothing unread',
    async (typed, enter, expected) => {
      const { stdin, answer, shown } = await asked();
      let isAnswered = false;
      void answer.then(() => {
        isAnswered = true;
      });
      for (const key of typed) {
        const before = shown().length;
        stdin.write(key);
        await vi.waitFor(() => expect(shown().length).toBeGreaterThan(before));
      }
      expect(isAnswered).toBe(false);
      stdin.write(enter);
      expect(await answer).toBe(expected);
      expect(stdin.readableLength).toBe(0);
    },
  );

  test('is interrupted by Ctrl-C, which a terminal in raw mode sends as a character', async () => {
    const { stream: stderr, shown } = fakeTerminal();
    const stdin = fakeKeyboard();
    const answer = ask({ question, stdin, stderr, signal: new AbortController().signal });
    const refusal = expect(answer).rejects.toMatchObject({ code: 'interrupted' });
    await vi.waitFor(() => expect(shown()).toContain('Roll back'));
    stdin.write('\u0003');
    await refusal;
  });
});

describe('a list to pick from', () => {
  const choices = [
    { value: '3', label: 'v3   sha256:aaaa' },
    { value: '2', label: 'v2   sha256:bbbb' },
    { value: '1', label: 'v1   sha256:cccc' },
  ];

  async function picking(keys: readonly string[]) {
    const { stream: stderr, shown } = fakeTerminal();
    const stdin = fakeKeyboard();
    const title = 'seismic_energy: v4 is live. Make which release live?';
    const answer = choose({ title, choices, stdin, stderr, signal: new AbortController().signal });
    await vi.waitFor(() => expect(shown()).toMatch(/Make which[\s\S]*v3[\s\S]*v2[\s\S]*v1/));
    for (const key of keys) {
      const before = shown();
      stdin.write(key);
      if (key === down) await vi.waitFor(() => expect(shown().length).toBeGreaterThan(before.length));
    }
    return answer;
  }

  const down = '\u001b[B';

  test.each([
    ['the first by Enter', ['\r'], '3'],
    ['another after arrow keys', [down, down, '\r'], '1'],
    ['nothing by q', [down, 'q'], undefined],
    ['nothing by Escape', ['\u001b'], undefined],
  ])('gives %s', async (_, keys, expected) => {
    expect(await picking(keys)).toBe(expected);
  });

  test('is interrupted by Ctrl-C', async () => {
    await expect(picking(['\u0003'])).rejects.toMatchObject({ code: 'interrupted' });
  });
});

test('the progress of an ingestion shows its counts', async () => {
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
