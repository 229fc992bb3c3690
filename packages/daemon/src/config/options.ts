import { parseArgs } from 'node:util';
import { roles } from '@osa/core/auth/role';
import { OsaError } from '@osa/core/error';
import type { RoleChange } from '../roles.ts';
import type { StorageWork } from '../upkeep/storage.ts';
import type { Part } from './settings.ts';

/** The parsed command line. */
export type Options =
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'migrate'; readonly database: string | undefined }
  | { readonly command: 'roles'; readonly database: string | undefined; readonly change: RoleChange }
  | {
      readonly command: 'storage';
      readonly database: string | undefined;
      readonly config: string | undefined;
      readonly work: StorageWork;
    }
  | {
      readonly command: 'check';
      readonly config: string | undefined;
      readonly database: string | undefined;
      readonly data: string | undefined;
      readonly json: boolean;
      /** Whether a whole archive is read, instead of what a start needs. */
      readonly restored: boolean;
      readonly part: Part | undefined;
    }
  | {
      readonly command: 'prune';
      readonly config: string | undefined;
      readonly database: string | undefined;
      readonly logDays: number | undefined;
      readonly eventDays: number | undefined;
      readonly isPlan: boolean;
      readonly json: boolean;
    }
  | {
      readonly command: 'keys';
      readonly rotate: boolean;
      readonly config: string | undefined;
      readonly data: string | undefined;
    }
  | { readonly command: 'serve'; readonly config: string | undefined; readonly part: Part | undefined }
  | {
      readonly command: 'dev';
      readonly config: string | undefined;
      readonly part: Part | undefined;
      readonly directory: string;
      readonly adopt: boolean;
      readonly port: number | undefined;
      readonly database: string | undefined;
      readonly data: string | undefined;
    };

/** @throws OsaError `usage` */
export function readOptions(argv: readonly string[]): Options {
  const { values, positionals } = parse(argv);
  if (values.help) return { command: 'help' };
  if (values.version) return { command: 'version' };
  const [command, ...others] = positionals;
  if (command === 'keys') {
    only(values, ['rotate', 'data', 'config'], 'osad keys');
    if (others.join(' ') !== 'attestation') throw wrong('osad keys: give attestation');
    const { rotate = false, data, config } = values;
    return { command, rotate, data, config };
  }
  if (command === 'roles') {
    only(values, ['database'], 'osad roles');
    return { command, database: values.database, change: roleChange(others) };
  }
  if (command === 'storage') {
    only(values, ['database', 'config', 'json', 'no-read', 'grace-hours', 'plan'], 'osad storage');
    return { command, database: values.database, config: values.config, work: storageWork(others, values) };
  }
  if (others.length > 0 || !isCommand(command)) {
    throw wrong(
      `${positionals.join(' ')}: not a command; the commands are ${commands.join(', ')}, roles, keys and storage`,
    );
  }
  const { dev, dir, adopt = false, port, data, database, config } = values;
  const part = partOf(values);
  if (command === 'check') {
    const { restored = false, json = false } = values;
    const allowed = restored ? ['database', 'data'] : ['no-worker', 'worker-only'];
    only(values, ['restored', 'config', 'json', ...allowed], `osad check${restored ? ' --restored' : ''}`);
    return { command, config, database, data, json, restored, part };
  }
  if (command === 'prune') {
    only(values, ['logs-days', 'events-days', 'plan', 'database', 'config', 'json'], 'osad prune');
    const logDays = daysOf('logs-days', values['logs-days']);
    const eventDays = daysOf('events-days', values['events-days']);
    return {
      ...{ command, config, database, logDays, eventDays },
      ...{ isPlan: values.plan ?? false, json: values.json ?? false },
    };
  }
  if (command === 'migrate') {
    only(values, ['database'], 'osad migrate');
    return { command, database };
  }
  if (!dev) {
    only(values, ['config', 'no-worker', 'worker-only'], 'osad without --dev');
    return { command: 'serve', config, part };
  }
  if (database !== undefined && dir === undefined)
    throw wrong('--database: needs its own directory; give --dir');
  return {
    command: 'dev',
    config,
    part,
    directory: dir ?? '.osa',
    adopt,
    port: portOf(port),
    database,
    data,
  };
}

const commands = ['migrate', 'check', 'prune'] as const;

function isCommand(word: string | undefined): word is (typeof commands)[number] | undefined {
  return word === undefined || commands.some((command) => command === word);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'V' },
        dev: { type: 'boolean' },
        dir: { type: 'string' },
        rotate: { type: 'boolean' },
        adopt: { type: 'boolean' },
        port: { type: 'string' },
        data: { type: 'string' },
        database: { type: 'string' },
        config: { type: 'string' },
        'no-worker': { type: 'boolean' },
        'worker-only': { type: 'boolean' },
        json: { type: 'boolean' },
        'no-read': { type: 'boolean' },
        'grace-hours': { type: 'string' },
        plan: { type: 'boolean' },
        restored: { type: 'boolean' },
        'logs-days': { type: 'string' },
        'events-days': { type: 'string' },
      },
    });
  } catch (cause) {
    throw wrong(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function only(values: Readonly<Record<string, unknown>>, allowed: readonly string[], where: string): void {
  const [other] = Object.keys(values).filter((name) => !allowed.includes(name));
  if (other !== undefined) throw wrong(`--${other}: not an option of ${where}`);
}

/** The part that the command line chooses; undefined leaves it to the settings. */
function partOf(values: { 'no-worker'?: boolean; 'worker-only'?: boolean }): Part | undefined {
  const { 'no-worker': noWorker, 'worker-only': workerOnly } = values;
  if (noWorker && workerOnly) throw wrong('--no-worker and --worker-only exclude each other');
  if (noWorker) return 'server';
  return workerOnly ? 'worker' : undefined;
}

function roleChange([verb, user = '', role = '', ...others]: readonly string[]): RoleChange {
  if (verb === 'list' && user === '') return { verb };
  const known = roles.find((one) => one === role.toUpperCase());
  const isUser = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(user);
  if ((verb === 'grant' || verb === 'revoke') && isUser && known && others.length === 0) {
    return { verb, user: user.toLowerCase(), role: known };
  }
  throw wrong(`osad roles: give list, or grant or revoke with a uuid and one of ${roles.join(', ')}`);
}

function storageWork(
  [verb, ...others]: readonly string[],
  values: { json?: boolean; 'no-read'?: boolean; 'grace-hours'?: string; plan?: boolean },
): StorageWork {
  if ((verb !== 'check' && verb !== 'gc') || others.length > 0) throw wrong('osad storage: give check or gc');
  const hours = values['grace-hours'] ?? '24';
  if (!/^\d{1,5}$/.test(hours) || Number(hours) < 1) {
    throw wrong(`--grace-hours: ${JSON.stringify(hours)} is not a whole number from 1 to 99999`);
  }
  if (verb === 'check' && values.plan) throw wrong('--plan: not an option of osad storage check');
  if (verb === 'gc' && values['no-read']) throw wrong('--no-read: not an option of osad storage gc');
  const { json = false, plan = false } = values;
  return { verb, json, reads: !values['no-read'], isPlan: plan, graceSeconds: Number(hours) * 3_600 };
}

function daysOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 36_500) return Number(text);
  throw wrong(`--${name}: ${JSON.stringify(text)} is not a whole number of days from 1 to 36500`);
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw wrong(`--port: ${JSON.stringify(text)} is not a port; give 0 to 65535`);
}

function wrong(what: string, cause?: unknown): OsaError {
  return new OsaError('usage', `${what}; see osad --help`, { cause });
}
