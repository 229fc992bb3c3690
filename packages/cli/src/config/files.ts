import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OsaError } from '@osa/core/error';
import { systemCode } from '@osa/core/system/error';

/** The settings of one server in a file. Only `server` is always there. */
export interface ServerSettings {
  /** The file. */
  readonly path: string;
  readonly server: string;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly subject: string | undefined;
  /** Absolute; in the file it is relative to the file's directory. */
  readonly keyFile: string | undefined;
  /** Set in `daemon.json` when the process that wrote it has ended. */
  readonly endedPid?: number;
}

/** The settings in `directory`: `daemon.json`, written by `osad --dev`, then `config.json`, written by people. */
export function settingsIn(directory: string): ServerSettings[] {
  return [
    readDaemonFile(join(directory, 'daemon.json')),
    readConfigFile(join(directory, 'config.json')),
  ].filter((settings) => settings !== undefined);
}

/** The `.osa` directories of `cwd` and its parents, nearest first. */
export function projectDirectories(cwd: string): string[] {
  const directories = [];
  for (let at = resolve(cwd); ; at = dirname(at)) {
    directories.push(join(at, '.osa'));
    if (dirname(at) === at) return directories;
  }
}

const maxBytes = 1024 * 1024;
const configKeys = ['server', 'issuer', 'audience', 'subject', 'key_file'];

function readDaemonFile(path: string): ServerSettings | undefined {
  const content = readObject(path);
  if (!content) return undefined;
  const { pid } = content;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) throw wrong(path, 'pid', 'a process id');
  const settings = toSettings(path, content, 'url');
  return isRunning(pid) ? settings : { ...settings, endedPid: pid };
}

function readConfigFile(path: string): ServerSettings | undefined {
  const content = readObject(path);
  if (!content) return undefined;
  const unknown = Object.keys(content).find((key) => !configKeys.includes(key));
  if (unknown === undefined) return toSettings(path, content, 'server');
  throw new OsaError('usage', `${path}: "${unknown}" is not a setting (settings: ${configKeys.join(', ')})`, {
    field: unknown,
  });
}

function toSettings(path: string, content: Record<string, unknown>, serverKey: string): ServerSettings {
  const text = (key: string) => {
    const value = content[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string' && value !== '') return value;
    throw wrong(path, key, 'text that is not empty');
  };
  const server = text(serverKey);
  if (server === undefined) throw wrong(path, serverKey, "the server's URL");
  const keyFile = text('key_file');
  if (keyFile !== undefined && basename(keyFile) !== keyFile) {
    throw wrong(path, 'key_file', 'the name of a file beside it; for a file elsewhere, set OSA_KEY_FILE');
  }
  return {
    path,
    server,
    issuer: text('issuer'),
    audience: text('audience'),
    subject: text('subject'),
    keyFile: keyFile === undefined ? undefined : resolve(dirname(path), keyFile),
  };
}

/** The JSON object in the file at `path`; undefined when there is no such file. */
function readObject(path: string): Record<string, unknown> | undefined {
  try {
    const { size, uid } = statSync(path);
    if (size > maxBytes)
      throw new OsaError('usage', `${path} has ${size} bytes, at most ${maxBytes} are read`);
    // Anybody can leave a .osa in a directory above this one, such as /tmp, and have our tokens sent to them.
    const user = process.getuid?.();
    if (user !== undefined && uid !== user && uid !== 0)
      throw new OsaError(
        'usage',
        `${path} belongs to another user; name the server with --server or OSA_SERVER, or remove the file`,
      );
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isObject(content)) return content;
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (cause instanceof OsaError) throw cause;
    const problem = code === undefined ? 'is not JSON' : `cannot be read (${code})`;
    throw new OsaError('usage', `${path} ${problem}; correct or remove it`, { cause });
  }
  throw new OsaError('usage', `${path} must hold a JSON object; correct or remove it`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(path: string, key: string, expected: string): OsaError {
  return new OsaError('usage', `${path}: ${key} must be ${expected}`, { field: key });
}

/** A process that belongs to somebody else answers EPERM, and runs. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
