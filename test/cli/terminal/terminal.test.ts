import { displayOf } from '@osa/cli/config/config';
import { when } from '@osa/cli/terminal/format';
import { green, line, render, type Screen, widthOf } from '@osa/cli/terminal/paint';
import { type Cell, table } from '@osa/cli/terminal/table';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { history, showHook } from '../../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../../support/fixtures/cli-world.ts';

const pipe: Screen = { colours: false, isTerminal: false, columns: undefined, isAscii: false };
const terminal = (columns: number): Screen => ({ ...pipe, isTerminal: true, columns });
const id = (last: number) => `0198c0de-0000-7000-8000-00000000000${last}`;

function linesOf(heads: readonly string[], rows: readonly (readonly Cell[])[], screen: Screen): string[] {
  return table(heads, rows).flatMap((content) => render(content, screen).split('\n'));
}

describe('a table on a terminal', () => {
  const heads = ['hook', 'status', 'rows', 'reason'];
  const rows = [
    [
      'seismic_energy_of_the_whole_week',
      green('passed'),
      12_500,
      'a reason of many words that goes on and on',
    ],
    ['felt_radius', 'error', 7, null],
  ] as const;

  test.each([40, 50, 60, 80, 100])('fits %i columns, and says all of the last column', (columns) => {
    const lines = linesOf(heads, rows, terminal(columns));
    expect(lines.filter((text) => text.length > columns)).toEqual([]);
    expect(lines.join(' ').replace(/\s+/g, ' ')).toMatch(/a reason.*many.*words.*goes.*on and on|…/);
    expect(lines.length).toBeLessThan(10);
  });

  test('cuts the widest column first, and leaves the others', () => {
    const [, first] = linesOf(['hook', 'source', 'n'], [['density', 'x'.repeat(70), 3]], terminal(40));
    expect(first).toBe(`density  ${'x'.repeat(27)}…  3`);
  });

  test('is as wide as it likes in a pipe', () => {
    const source = line`${'x'.repeat(200)}`;
    expect(linesOf(['hook', 'source', 'n'], [['density', source, 3]], pipe)[1]).toBe(
      `density  ${'x'.repeat(200)}  3`,
    );
  });

  test.each([20, 40, 80])('never cuts the name of a row, nor an id beyond use, at %i columns', (columns) => {
    const cells = [[`density/17`, 'y'.repeat(90), id(1)]];
    const [, first] = linesOf(['row', 'note', 'run'], cells, terminal(columns));
    expect(first).toContain('density/17');
    expect(first).toContain(id(1).slice(0, 13));
  });

  test('shortens ids that do not fit to what tells them apart, and numbers get separators', () => {
    const cells = [
      [id(1), 'x'.repeat(50), 12_500],
      [id(2), 'y', 3],
    ];
    const heads = ['run', 'note', 'rows'];
    expect(linesOf(heads, cells, terminal(60))[1]).toMatch(
      /^0198c0de-0000-7000-8000-000000000001 {2}x+… {2}12,500$/,
    );
    const other = [cells[0] ?? [], ['0198c0de-0001-7000-8000-000000000001', 'y', 3]];
    expect(linesOf(heads, other, terminal(60))[1]).toMatch(/^0198c0de-0000 {2}x+… {2}12,500$/);
    expect(linesOf(heads, other, terminal(120))[1]).toContain(id(1));
    expect(linesOf(heads, other, pipe)[1]).toContain(`${id(1)}  ${'x'.repeat(50)}  12500`);
  });

  test('that is indented stays within the terminal', () => {
    const [block] = table(['a', 'b', 'c'], [['x'.repeat(30), 'y'.repeat(30), 'z'.repeat(30)]]);
    const lines = render(line`    ${block ?? ''}`, terminal(50)).split('\n');
    expect(lines.filter((text) => text.length > 50 || !text.startsWith('    '))).toEqual([]);
  });

  test('counts wide characters as two, and keeps what belongs together', () => {
    const rows = [
      ['地震データの一覧'.repeat(4), 'x', 1],
      ['👩‍🔬'.repeat(30), 'y', 2],
      ['é'.repeat(60), 'z', 3],
    ] as const;
    const lines = linesOf(['title', 'b', 'n'], rows, terminal(40));
    // Two columns each: 34 columns are 16 of them and the dots.
    expect(lines[1]).toBe(`${'地震データの一覧'.repeat(2)}…   x  1`);
    expect(lines[3]).toBe(`${'é'.repeat(33)}…  z  3`);
    expect(widthOf('👩‍🔬')).toBeGreaterThanOrEqual(2);
  });

  test('fits whatever its cells hold, wherever it can', () => {
    const cell = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 120 }), fc.integer());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 6 }),
        fc.integer({ min: 40, max: 160 }),
        (cells, columns) => {
          const lines = linesOf(['a', 'b', 'c'], cells, terminal(columns));
          for (const text of lines) expect(widthOf(text)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});

describe('a time in a table', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');

  test.each([
    ['2026-03-01T11:59:59.900Z', 'now'],
    ['2026-03-01T12:00:20Z', 'now'],
    ['2026-03-01T11:52:00Z', '8 minutes ago'],
    ['2026-02-27T11:00:00Z', '2 days ago'],
    ['2027-01-01T00:00:00Z', '2027-01-01 00:00:00 UTC'],
  ])('%s is relative on a terminal: %s', (at, expected) => {
    expect(render(when(at, now), terminal(80))).toBe(expected);
    expect(render(when(at, now), pipe)).toBe(`${at.slice(0, 19)}Z`);
  });
});

test.each([
  [{}, 'auto', false],
  [{ NO_COLOR: '1' }, false, false],
  [{ TERM: 'dumb' }, false, false],
  [{ FORCE_COLOR: '1' }, true, false],
  [{ FORCE_COLOR: '1', NO_COLOR: '1', TERM: 'dumb' }, true, false],
  [{ FORCE_COLOR: '0' }, false, false],
  [{ FORCE_COLOR: '' }, 'auto', false],
  [{ LC_ALL: 'C' }, 'auto', true],
  [{ LANG: 'POSIX' }, 'auto', true],
  [{ LC_ALL: 'C.UTF-8', LANG: 'C' }, 'auto', false],
  [{ LC_CTYPE: 'de_DE.utf8', LANG: 'C' }, 'auto', false],
  [{ LANG: 'de_DE.ISO-8859-1' }, 'auto', true],
])('of %j, colours are %s and ASCII is %s', (environment, colours, isAscii) => {
  expect(displayOf(environment)).toEqual({ colours, isAscii });
});

const invisible = [
  '\u001b',
  '\u009b',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u2063',
  '\u3164',
  '\u115f',
  '\uffa0',
  '\u{e0041}',
  '\u{e0100}',
  '\u2800',
  '\u180e',
  '\u034f',
  '\ufff9',
  '\u2028',
];

test.each(invisible)('%j is shown, and reads back from JSON', async (sign) => {
  await using world = await createCliWorld();
  const owner = `a${sign}b`;
  await using server = await startFakeServer(() => ({
    body: { items: [{ ...showHook, owner }], next_cursor: null, has_more: false },
  }));
  const argv = ['hooks', 'list', '--server', server.url];
  const people = await world.osa(argv);
  expect(people.stdout).not.toContain(sign);
  const shown = await world.osa([...argv, '--json'], { columns: 100 });
  expect(shown.stdout).not.toContain(sign);
  expect(JSON.parse(shown.stdout).items[0].owner).toBe(owner);
  const exact = await world.osa([...argv, '--json']);
  expect(JSON.parse(exact.stdout).items[0].owner).toBe(owner);
  expect(exact.stdout.includes(sign)).toBe(sign >= ' ');
});

test('one variation selector stays with its emoji, and others do not hide behind it', () => {
  expect(render('❤️', pipe)).toBe('❤️');
  expect(render('❤️️', pipe)).toBe('❤️\\ufe0f');
  expect(render('\ufe0f', pipe)).toBe('\\ufe0f');
});

test('a locale without UTF-8 gets ASCII signs, in results, in help and in errors', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(({ path }) =>
    path.includes('/history') ? { body: history } : problem(404, 'not_found', 'a → b…'),
  );
  const environment = { LC_ALL: 'C', NO_COLOR: '1', OSA_SERVER: server.url };
  const results = [
    await world.osa(['hooks', 'history', 'x'], { environment, columns: 80 }),
    await world.osa(['hooks', 'show', 'x'], { environment }),
    await world.osa(['hooks', 'release', '--help'], { environment }),
  ];
  for (const { stdout, stderr } of results) expect(stdout + stderr).toMatch(/^[\n -~]+$/);
  expect(results[0]?.stdout).toContain('v1 -> v2');
});

test('FORCE_COLOR colours what goes into a pipe', async () => {
  await using world = await createCliWorld();
  await using server = await startFakeServer(() => ({ body: history }));
  const argv = ['hooks', 'history', 'x', '--server', server.url];
  expect((await world.osa(argv, { environment: { FORCE_COLOR: '1' } })).stdout).toContain('\u001b[');
  expect((await world.osa(argv)).stdout).not.toContain('\u001b');
  expect((await world.osa(argv, { columns: 80 })).stdout).toContain('\u001b[');
});

test('no text of a server begins a line, however its message is made', async () => {
  await using world = await createCliWorld();
  const message = 'wrong\n::error::forged\nlive: v9';
  const problems = [
    { message, file: 'convention.yaml', line: 1 },
    { message: 'second\n::warning::forged', file: 'convention.yaml' },
  ];
  await using server = await startFakeServer(() => {
    const answer = problem(422, 'invalid', message);
    return { ...answer, body: { ...(answer.body as object), details: { problems } } };
  });
  const { stderr } = await world.osa(['hooks', 'show', 'x', '--server', server.url]);
  expect(stderr.split('\n')).toEqual([
    'error: wrong\\n::error::forged\\nlive: v9',
    '     - second\\n::warning::forged',
    '',
  ]);
});
