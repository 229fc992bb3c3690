import type { Server } from '../config/config.ts';
import { dim, either, green, type Line, yellow } from './paint.ts';

/** Values as people read them. */

/** `2018-02-06T15:50:43.000Z` → `2018-02-06 15:50:43 UTC`. */
export function time(text: string | null): string {
  if (text === null) return '-';
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A time in a table: `8 minutes ago` on a terminal, `2018-02-06T15:50:43Z` for programs; `-` when there is none. */
export function when(text: string | null, now = Date.now()): Line {
  const at = text === null ? Number.NaN : Date.parse(text);
  if (Number.isNaN(at)) return text ?? dim('-');
  const iso = `${new Date(at).toISOString().slice(0, 19)}Z`;
  // Clocks differ a little; a time well ahead of ours is shown as it is.
  if (at - now > 60_000) return either(iso, time(text));
  return either(iso, now - at < 1_000 ? 'now' : `${age(text, now)} ago`);
}

/** The seconds between two times; undefined while one is missing. */
export function secondsBetween(from: string | null, to: string | null): number | undefined {
  if (from === null || to === null) return undefined;
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** `1679` → `1,679`. By hand: loading the locales for it takes longer than a request. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `2 rows`, `1 row`; `2 batches`, where the plural is not the noun and an s. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), units.length - 1);
  const scaled = value / 2 ** (10 * power);
  return `${Number.isInteger(scaled) ? scaled : scaled.toFixed(1)} ${units[power]}`;
}

/** A value of a row or of a record. Doubles too large or too small to be read digit by digit get an exponent. */
export function value(content: unknown, jsonType?: string): string {
  if (content === null || content === undefined) return '-';
  if (typeof content === 'string') return content;
  const json = JSON.stringify(content);
  if (jsonType === 'number' || (typeof content === 'number' && !Number.isInteger(content))) {
    const number = Number(json);
    const size = Math.abs(number);
    return size !== 0 && (size >= 1e9 || size < 1e-4) ? number.toExponential() : json;
  }
  return json;
}

/** `node hook.mjs`; an argument that a shell would split is quoted as JSON. */
export function command(args: readonly string[]): string {
  return args
    .map((argument) => (/^[\w@%+=:,./-]+$/.test(argument) ? argument : JSON.stringify(argument)))
    .join(' ');
}

export function version(number: number | null): string {
  return number === null ? '-' : `v${number}`;
}

/** Whether `version` is live, and which is if it is not. */
export function liveness(shown: number, live: number | null): Line {
  if (shown === live) return green('live');
  return live === null ? yellow('not live; none is') : yellow(`not live; v${live} is`);
}

/** `3 days`: the time since `text` in its largest unit; `-` when it is not a time. */
export function age(text: string | null, now = Date.now()): string {
  const seconds = text === null ? Number.NaN : Math.max(0, (now - Date.parse(text)) / 1000);
  if (Number.isNaN(seconds)) return '-';
  const [size, unit] = ageUnits.find(([least]) => seconds >= least) ?? [1, 'second'];
  return counted(Math.floor(seconds / size), unit);
}

const ageUnits = [
  [365 * 86_400, 'year'],
  [30 * 86_400, 'month'],
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
] as const;

/** `git+https://host/repository@0123456789ab`: a commit by its first 12 digits. */
export function shortSource(ref: string): string {
  return ref.replace(/([@:][0-9a-f]{12})(?:[0-9a-f]{28}|[0-9a-f]{52})(?=$|-dirty$)/, '$1');
}

/** `sha256:` and 12 digits: enough to tell digests apart at a glance. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 19);
}

/**
 * The command for the next page, on stderr: `commandLine` with the options that it was given, the server's too, and
 * `--cursor`.
 */
export function nextPage(page: {
  readonly commandLine: string;
  readonly options: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly server: Server;
  readonly cursor: string | null;
}): Line[] {
  const { commandLine, options, server, cursor } = page;
  if (cursor === null) return [];
  const { cursor: _, ...others } = options;
  const given = { ...others, ...(server.from === '--server' && { server: server.url }), cursor };
  return [dim(`more: ${commandLine}${Object.entries(given).map(optionText).join('')}`)];
}

function optionText([key, given]: readonly [string, string | number | boolean | undefined]): string {
  const name = ` --${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (given === undefined || given === false) return '';
  return given === true ? name : shellOption(name, String(given));
}

/** An option with its value; one that begins with a dash is not taken for an option of its own. */
export function shellOption(name: string, value: string): string {
  return `${name}${value.startsWith('-') ? '=' : ' '}${shellWord(value)}`;
}

/** A path as a POSIX shell takes it for one word, which is not an option. */
export function shellPath(path: string): string {
  return shellWord(path.startsWith('-') ? `./${path}` : path);
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
