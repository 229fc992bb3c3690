import { asOsaError } from '@osa/core/error';
import type { Command, Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import type { CommandEntry, CommandGroup } from '../entry.ts';
import { commands } from '../index.ts';

/** Nobody who types waits for longer. */
const patienceMs = 1_000;

/** Words that may take the place of the last one. Never fails: a name that cannot be read is left out. */
export async function completions(context: Context, words: readonly string[]): Promise<readonly string[]> {
  const current = words.at(-1) ?? '';
  const candidates = await candidatesFor(context, words.slice(0, -1), current);
  return [...new Set(candidates)].filter((candidate) => candidate.startsWith(current)).sort();
}

async function candidatesFor(
  context: Context,
  before: readonly string[],
  current: string,
): Promise<readonly string[]> {
  const { entries, command, rest } = await walk(before);
  if (command === undefined) return current.startsWith('-') ? globalOptions : entries.map(({ name }) => name);
  const options = optionsOf(command);
  const pending = options.find(({ spelling, takesValue }) => takesValue && spelling === rest.at(-1));
  const given = argumentsIn(rest, options);
  if (pending) return valuesOf(context, pending.key, given);
  if (current.startsWith('-')) return [...options.map(({ spelling }) => spelling), ...globalOptions];
  const names = Object.keys(command.arguments ?? {});
  const name = names[Math.min(given.length, names.length - 1)];
  return name === undefined || given.length >= names.length ? [] : valuesOf(context, name, given);
}

const globalOptions = ['--help', '--json', '--server'];

interface Walked {
  readonly entries: readonly (CommandEntry | CommandGroup)[];
  readonly command?: Command;
  /** The words after the command's name. */
  readonly rest: readonly string[];
}

async function walk(words: readonly string[]): Promise<Walked> {
  let entries: readonly (CommandEntry | CommandGroup)[] = commands;
  for (const [index, word] of words.entries()) {
    const entry = entries.find(({ name }) => name === word);
    if (entry === undefined) return { entries: [], rest: [] };
    if (!('commands' in entry))
      return { entries: [], command: await entry.load(), rest: words.slice(index + 1) };
    entries = entry.commands;
  }
  return { entries, rest: [] };
}

interface KnownOption {
  readonly key: string;
  readonly spelling: string;
  readonly takesValue: boolean;
}

function optionsOf(command: Command): KnownOption[] {
  return Object.entries(command.options ?? {}).map(([key, option]) => {
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const spelling = 'negated' in option && option.negated ? `--no-${name}` : `--${name}`;
    return { key, spelling, takesValue: 'parse' in option };
  });
}

/** The words that are neither options nor their values. */
function argumentsIn(words: readonly string[], options: readonly KnownOption[]): string[] {
  return words.filter((word, index) => {
    const before = options.find(({ spelling }) => spelling === words[index - 1]);
    return !word.startsWith('-') && before?.takesValue !== true;
  });
}

/** The names that the server knows for an argument or an option. */
async function valuesOf(
  context: Context,
  name: string,
  given: readonly string[],
): Promise<readonly string[]> {
  const look = lookups[name];
  if (!look) return [];
  try {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)]);
    return await look(context.client(), given, signal);
  } catch (error) {
    if (asOsaError(error)) return [];
    throw error;
  }
}

type LookUp = (client: Client, given: readonly string[], signal: AbortSignal) => Promise<readonly string[]>;

const hooks: LookUp = async (client, _, signal) =>
  (await client.call('listHooks', { signal })).items.map(({ name }) => name);
const conventions: LookUp = async (client, _, signal) =>
  (await client.call('listConventions', { signal })).items.map(({ id }) => id);
/** Versions of the hook that is named before. */
const versions: LookUp = async (client, [hook], signal) => {
  if (hook === undefined) return [];
  const { releases } = await client.call('listReleases', { params: { name: hook }, signal });
  return releases.map(({ version }) => String(version));
};

/** By the name of an argument or an option. */
const lookups: Readonly<Record<string, LookUp>> = {
  hook: hooks,
  convention: conventions,
  slug: conventions,
  to: versions,
  from: versions,
  version: versions,
  release: versions,
  shell: async () => ['bash', 'zsh', 'fish'],
};
