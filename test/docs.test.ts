import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from '@osa/cli/command';
import type { CommandEntry, CommandGroup } from '@osa/cli/commands/entry';
import { commands } from '@osa/cli/commands/index';
import { exitCodeHelp } from '@osa/cli/exit';
import { topics } from '@osa/cli/help';
import { beforeAll, describe, expect, test } from 'vitest';

/** The documents name only files, commands, options and settings that exist. */

interface Document {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

const root = dirname(import.meta.dirname);
const paths = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...markdownIn('docs'),
  'examples/usgs-earthquakes/README.md',
  'examples/structures/README.md',
  'bench/README.md',
  'patches/README.md',
  'test/crash/README.md',
];

let osadHelp: string;

beforeAll(() => {
  const main = join(root, 'packages/daemon/src/main.ts');
  osadHelp = execFileSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
});

describe.each(paths)('%s', (path) => {
  const document = { path, text: read(path) };

  test('links and paths lead to files', () => {
    expect(brokenPaths(document)).toEqual([]);
  });

  test('commands and their options exist', async () => {
    expect(await unknownCommands(document)).toEqual([]);
  });

  test('settings exist', () => {
    expect(unknownSettings(document)).toEqual([]);
  });
});

test.each(paths.filter((path) => path.startsWith('examples/')))(
  '%s traces no row by a number, which depends on the records before it',
  (path) => {
    expect(read(path).match(/^osa (?:trace|open|replay) \w+\/\d+/gm)).toBeNull();
  },
);

describe('ARCHITECTURE.md', () => {
  const text = read('ARCHITECTURE.md');

  test('its map names only files and folders that exist', () => {
    expect(namesOfMap(text).filter((path) => ![`${path}.ts`, path].some((one) => sources.has(one)))).toEqual(
      [],
    );
  });

  test('its prose names only files that exist', () => {
    expect(filesInProse(text).filter((path) => ![...sources].some((one) => isEndOf(path, one)))).toEqual([]);
  });
});

test('the README is short', () => {
  expect(read('README.md').split('\n').length - 1).toBeLessThanOrEqual(110);
});

test('the README explains each exit code', () => {
  const explained = [...read('README.md').matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  expect(explained).toEqual(exitCodeHelp.map(([code]) => code));
});

describe('a document is refused', () => {
  const of = (text: string) => ({ path: 'docs/sample.md', text });

  test.each([
    '[releases](relases.md)',
    '`packages/core/src/hook/rollback.ts`',
    '[README](README.md)',
    '`packages/core/src/postgres/{queue,cue}/commit.ts`',
  ])('for %s', (text) => {
    expect(brokenPaths(of(text))).toHaveLength(1);
  });

  test.each([
    '`osa hook list`',
    '`osa hooks undo x`',
    '`osa deploy --undo`',
    '`osa hooks pause|halt x`',
    '```\n$ osa ingest x - --wait\n```',
    '`osa hooks test x records.ndjson`',
    '```\n- run: npx --yes @osa/cli@0.1.0 hooks undo x\n```',
    '```\n- $OSA deploy --undo\n```',
    '`osad --develop`',
    '`osad upgrade`',
    '`npm run demonstration`',
  ])('for %s', async (text) => {
    expect(await unknownCommands(of(text))).toHaveLength(1);
  });

  test('for a setting that there is not', () => {
    expect(unknownSettings(of('Set `OSA_RUNER=podman`.'))).toEqual(['OSA_RUNER']);
  });
});

function markdownIn(directory: string): string[] {
  const names = readdirSync(join(root, directory));
  return names.filter((name) => name.endsWith('.md')).map((name) => `${directory}/${name}`);
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Relative links, and paths in code that begin with a folder of the repository. */
function brokenPaths({ path, text }: Document): string[] {
  const links = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(path), target));
  const named = codeOf(text).flatMap(
    (code) => code.match(/(?<![\w./-])(packages|test|scripts|bench|examples|docs)\/[\w./@{},*-]+/g) ?? [],
  );
  return [...links, ...named.flatMap(spelledOut)].filter((target) => !existsSync(join(root, target)));
}

/** The files of the packages and tests, and all folders that they are in. */
const sources = new Set(
  globSync(['packages/*/src/**/*.ts', 'test/**/*.ts'], { cwd: root }).flatMap((path) =>
    path.split('/').map((_part, index, parts) => parts.slice(0, index + 1).join('/')),
  ),
);

/**
 * The single words of the map, each with the folder that it is said to be in. A folder stands in a line of its own, indented
 * below its parent; the rest of the line is words and phrases, with remarks in parentheses.
 */
function namesOfMap(text: string): string[] {
  const [, map = ''] = text.match(/^```\n(packages.*?)^```/ms) ?? [];
  const parents: string[] = [];
  return map.split('\n').flatMap((line) => {
    const [, indent = '', name = '', words = ''] = line.match(/^( *)([\w./-]+) *(.*)$/) ?? [];
    if (!name.startsWith('packages/') && indent === '') return [];
    const path = [...parents.slice(0, indent.length / 2), name.replace(/\/$/, '')];
    parents.splice(0, Number.POSITIVE_INFINITY, ...path);
    const plain = words.replace(/\([^()]*\)/g, '').split(/ · |, /);
    const inside = name.endsWith('/') ? plain.map((word) => word.trim().replace(/\/$/, '')) : [];
    return [
      path.join('/'),
      ...inside.filter((word) => /^[\w-]+$/.test(word)).map((word) => [...path, word].join('/')),
    ];
  });
}

/** The files that code spans outside blocks name; such a name may begin at any folder. */
function filesInProse(text: string): string[] {
  return [...text.replace(/^```.*?^```/gms, '').matchAll(/`([\w./-]+\.ts)`/g)].map(([, path = '']) => path);
}

function isEndOf(path: string, source: string): boolean {
  return `/${source}`.endsWith(`/${path}`) || `/${source.replace('/src/', '/')}`.endsWith(`/${path}`);
}

/** `a/{b,c}.ts` is two paths; a pattern is checked up to its folder. */
function spelledOut(path: string): string[] {
  const [all = '', inner = ''] = path.match(/\{([^}]*)\}/) ?? [];
  if (all !== '') return inner.split(',').flatMap((part) => spelledOut(path.replace(all, part)));
  return [(path.includes('*') ? dirname(path.slice(0, path.indexOf('*') + 1)) : path).replace(/[.,]+$/, '')];
}

/** Code spans, and the lines of code blocks without their comments. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```[^\n]*\n(.*?)^```/gms)].map(([, block = '']) => block);
  const spans = [...text.replace(/^```.*?^```/gms, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
  const lines = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  return [...spans.map((span) => span.replace(/\s+/g, ' ')), ...lines].map((line) =>
    line.replace(/(^|\s)#( .*)?$/, ''),
  );
}

async function unknownCommands({ text }: Document): Promise<string[]> {
  const calls = codeOf(text).flatMap((code) =>
    code
      .split(/ \| |&&|;|\$\(|\)/)
      .map((part) => part.replace(/ [<>] ?\S+/g, '').replace(/npx --yes @osa\/cli@[\d.]+ |\$OSA /, 'osa '))
      .flatMap((part) => part.match(/(?<![\w/.-])(osa|osad|npm run) .*/)?.[0] ?? []),
  );
  const found = await Promise.all(calls.map(async (call) => ((await isKnown(call)) ? [] : [call])));
  return found.flat();
}

async function isKnown(call: string): Promise<boolean> {
  const [program = '', ...words] = call.replace('npm run', 'npm-run').match(/(?:'[^']*'|"[^"]*"|\S)+/g) ?? [];
  if (program === 'npm-run') return (words[0] ?? '') in JSON.parse(read('package.json')).scripts;
  const options = words.flatMap((word) => word.match(/^-{1,2}[a-zA-Z][\w-]*/)?.[0] ?? []);
  if (program === 'osad') return isKnownOfDaemon(words, options);
  if (words[0] === 'help' && topics.has(words[1] ?? '')) return true;
  return isKnownOfCli(commands, words, options);
}

/** Words after the first are values of options, or arguments. */
function isKnownOfDaemon([first = '']: readonly string[], options: readonly string[]): boolean {
  const isCommand = !/^[a-z]/.test(first) || osadHelp.includes(`osad ${first} `);
  return isCommand && options.every((option) => new RegExp(`${option}(?![\\w-])`).test(osadHelp));
}

const globalOptions = ['--help', '-h', '--version', '-V', '--json', '--server'];

/** `pause|resume` is two commands; an option must be of all of them. */
async function isKnownOfCli(
  entries: readonly (CommandEntry | CommandGroup)[],
  [first = '', ...rest]: readonly string[],
  options: readonly string[],
): Promise<boolean> {
  if (!/^[a-z]/.test(first)) return options.every((option) => globalOptions.includes(option));
  const chosen = first.split('|').map((name) => entries.find((entry) => entry.name === name));
  for (const entry of chosen) {
    if (entry === undefined) return false;
    const isFine =
      'commands' in entry
        ? await isKnownOfCli(entry.commands, rest, options)
        : takes(await entry.load(), rest, options);
    if (!isFine) return false;
  }
  return true;
}

/** Whether a command has these options, and an argument for each word that is no value of an option. */
function takes(command: Command, words: readonly string[], options: readonly string[]): boolean {
  const own = Object.entries(command.options ?? {}).flatMap(([key, option]) => {
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const spelled = 'negated' in option && option.negated ? `--no-${name}` : `--${name}`;
    const names = 'short' in option && option.short ? [spelled, `-${option.short}`] : [spelled];
    return names.map((one) => [one, 'value' in option] as const);
  });
  const known = new Map<string, boolean>([
    ...globalOptions.map((option) => [option, option === '--server'] as const),
    ...own,
  ]);
  const free = words.filter((word, index) => isArgument(word) && !known.get(words[index - 1] ?? ''));
  const places = Object.values(command.arguments ?? {});
  const isMany = places.some((place) => 'repeatable' in place);
  return options.every((option) => known.has(option)) && (isMany || free.length <= places.length);
}

/** `-` is one: it stands for standard input. An ellipsis is none. */
function isArgument(word: string): boolean {
  return !/^(-.+|…)$/.test(word);
}

/** Settings are in the help of the daemon, or by name in the code that reads them or that starts hooks. */
function unknownSettings({ text }: Document): string[] {
  const code = [
    'packages/daemon/src/config',
    'packages/cli/src/config',
    'packages/core/src/runners',
    'test/support',
  ].map(sourceIn);
  const known = new Set([osadHelp, ...code].flatMap((source) => source.match(settingPattern) ?? []));
  return (text.match(settingPattern) ?? []).filter((name) => !known.has(name));
}

const settingPattern = /\bOSA_[A-Z_]*[A-Z]\b/g;

function sourceIn(directory: string): string {
  const entries = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' });
  const files = entries.filter((name) => /\.tsx?$/.test(name));
  return files.map((name) => read(join(directory, name))).join('\n');
}
