import { suggest } from '@osa/core/suggest';
import type { Command as Parser } from 'commander';
import type { Command } from './command.ts';
import type { CommandEntry, CommandGroup } from './commands/entry.ts';
import { commands } from './commands/index.ts';
import { exitCodeHelp } from './exit.ts';

/** The text of `--help` beside the lists of arguments and options, and of `osa help TOPIC`. */

/** The last line of every help. */
export const lastLine = 'Also: --json, --server <url>. More: osa help exit-codes|environment|json';

export function rootHelp(): string {
  return `
Examples:
  osa init && osa deploy                   start a dataset and deploy it
  osa ingest my-dataset records.ndjson     take records in, and run the hooks
  osa trace seismic_energy/17              which code made a row, from which record
  osa hooks rollback seismic_energy        go back to the release that was live before

${lastLine}`;
}

export function groupHelp({ example: [command, does] }: CommandGroup): string {
  return `\nExample:\n  ${command}   ${does}\n\n${lastLine}`;
}

/** `columns` is the width that the text is wrapped at. */
export function commandHelp({ examples, json }: Command, columns: number): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const isWide = examples.some(([, does]) => 2 + width + 3 + does.length > columns);
  const shown = examples.map(([command, does]) =>
    isWide ? `  ${command}\n      ${does}` : `  ${command.padEnd(width)}   ${does}`,
  );
  const document = json
    .split(/\n(?=with )/)
    .flatMap((part) => wrap(part.replaceAll('\n', ' '), columns - 2))
    .map((text) => `  ${text}`);
  return `\nExamples:\n${shown.join('\n')}\n\nWith --json:\n${document.join('\n')}\n\n${lastLine}`;
}

/** The topics of `osa help`, each with its text. */
export const topics: ReadonlyMap<string, string> = new Map([
  [
    'exit-codes',
    `Exit codes:\n${exitCodeHelp.map(([code, meaning]) => `  ${String(code).padEnd(3)} ${meaning}`).join('\n')}`,
  ],
  [
    'environment',
    `Environment variables:
  OSA_SERVER             URL of the server
  OSA_KEY                the private key that signs tokens, as PEM or JWK
  OSA_KEY_FILE           a file that holds the key
  OSA_TOKEN              a token from elsewhere, sent instead of one that a key signs
  OSA_ID_TOKEN           the ID token of a CI job, for jobs without a key (osa publishers)
  OSA_ISSUER             issuer of the tokens that are signed here
  OSA_AUDIENCE           audience of these tokens; it must be that of the server
  OSA_SUBJECT            your name in these tokens, which histories show
  OSA_ENGINE_OPTIONS     options of podman or docker for osa hooks test, separated by blanks
  OSA_DEBUG              set: errors come with their stack and causes
  HTTP_PROXY             proxy for servers with http://
  HTTPS_PROXY            proxy for servers with https://
  NO_PROXY               hosts that are reached without a proxy, separated by commas
  NO_COLOR               set: no colours
  FORCE_COLOR            set: colours also in pipes and files; 0: none
  LC_ALL, LC_CTYPE, LANG a locale without UTF-8, such as C: arrows and dots as ASCII
  CI                     set: osa never asks a question

Keys and tokens of the environment are not sent to a server that only the .osa/ of a project names.
Name the server with --server or OSA_SERVER.`,
  ],
  [
    'json',
    `With --json a command prints one JSON document on stdout and nothing else. The help of a command
shows the document. On a terminal, invisible characters in it are escaped; in a pipe it is exact.

An error is a document too, and the exit code says the same as without --json:
  {"error": {"code", "message", "field", "details"}}
    code      for programs; it keeps its meaning
    message   for people
    field     the argument, option or field that the error is about, or null
    details   facts for programs

osa runs logs --follow, osa events and osa trace - print one document on each line instead.`,
  ],
]);

/** The topic that the writer of `osa help word` may have meant. */
function meantTopic(words: readonly string[]): string | undefined {
  const topic =
    words[0] === 'help' && words[1] !== undefined ? suggest(words[1], [...topics.keys()]) : undefined;
  return topic === undefined ? undefined : `osa help ${topic}`;
}

/** The command that the writer of `words` may have meant, in full; `word` is the one that is not known. */
export function meant(word: string, words: readonly string[]): string | undefined {
  const topic = meantTopic(words);
  if (topic !== undefined) return topic;
  const group = commands.find(({ name }) => name === words[0])?.name;
  const found = commands.find(({ name }) => name === group);
  const own = found && 'commands' in found ? found.commands.map(({ name }) => name) : [];
  const near = suggest(word, own);
  if (near !== undefined) return `osa ${group} ${near}`;
  const known = otherNames[word.toLowerCase()];
  if (known !== undefined) return known;
  const top = suggest(word, [...commands.map(({ name }) => name), ...(group === undefined ? [] : [group])]);
  if (top !== undefined) return `osa ${top}`;
  const children = commands.flatMap((entry) => ('commands' in entry ? pathsOf(entry) : []));
  const child = suggest(word, [...new Set(children.map(({ name }) => name))]);
  return children.find(({ name }) => name === child)?.path;
}

function pathsOf(group: CommandGroup, before = 'osa'): { name: string; path: string }[] {
  const path = `${before} ${group.name}`;
  return group.commands.flatMap((entry) =>
    'commands' in entry ? pathsOf(entry, path) : [{ name: entry.name, path: `${path} ${entry.name}` }],
  );
}

/** Names that other tools have for what osa does. */
const otherNames: Readonly<Record<string, string>> = {
  log: 'osa runs logs',
  undo: 'osa hooks rollback',
  revert: 'osa hooks rollback',
  promote: 'osa hooks activate',
  publish: 'osa deploy',
  apply: 'osa deploy',
  push: 'osa deploy',
  plan: 'osa deploy --plan',
  upload: 'osa ingest',
  import: 'osa ingest',
  load: 'osa ingest',
  new: 'osa init',
  create: 'osa init',
  whoami: 'osa auth whoami',
  version: 'osa --version',
  get: 'osa rows',
  cat: 'osa rows',
  datasets: 'osa conventions list',
  blame: 'osa trace',
  stop: 'osa ingestions cancel, osa ingestions pause or osa hooks pause',
};

/** `text` in lines of at most `width` characters, parted at blanks. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** `osa help deploy` is `osa deploy --help`; the text of a topic comes as it is. */
export function helpRequest(
  argv: readonly string[],
): { readonly argv: string[] } | { readonly topic: string } {
  const [first, ...rest] = argv;
  if (first !== 'help') return { argv: [...argv] };
  const names = rest.filter((word) => !word.startsWith('-'));
  const topic = names.length === 1 ? topics.get(names[0] ?? '') : undefined;
  if (topic !== undefined) return { topic };
  // The parser complains of a name that is none.
  return { argv: isCommand(names) ? [...rest, '--help'] : names };
}

function isCommand(
  [first, ...rest]: readonly string[],
  among: readonly (CommandEntry | CommandGroup)[] = commands,
): boolean {
  if (first === undefined) return true;
  const entry = among.find(({ name }) => name === first);
  return entry !== undefined && isCommand(rest, 'commands' in entry ? entry.commands : []);
}

/** Puts the commands of the first screen under a heading each. */
export function grouped(parser: Parser, { group }: CommandEntry | CommandGroup): void {
  if (group !== undefined) parser.helpGroup(`${group}:`);
}
