import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { serverAccounts, spawnIdentity } from '@osa/core/postgres/embedded/account';
import { execa } from 'execa';
import { until } from './database.ts';

/** PostgreSQL of Debian's package, whose server and pg_dump are of one version. Tests' own server brings no pg_dump. */

const installed = '/usr/lib/postgresql';
const programs = (existsSync(installed) ? readdirSync(installed) : [])
  .map((version) => join(installed, version, 'bin'))
  .find((directory) => ['postgres', 'initdb', 'pg_dump'].every((name) => existsSync(join(directory, name))));

/** Why none can be started here. */
export const debianServerMissing =
  programs === undefined ? `${installed}/*/bin is missing: apt-get install postgresql` : undefined;

export interface DebianServer {
  url(database: string, user?: string): string;
  /** Runs one of PostgreSQL's programs. */
  run(program: string, ...args: string[]): Promise<void>;
  close(): Promise<void>;
}

/** A server in a directory that does not exist, whose superuser is `owner`. */
export async function startDebianServer(directory: string): Promise<DebianServer> {
  if (programs === undefined) throw new Error(debianServerMissing);
  const [account] = await serverAccounts();
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
  if (process.getuid?.() === 0) chownSync(directory, account.uid, account.gid);
  const data = join(directory, 'data');
  const initdb = ['-D', data, '-U', 'owner', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await execa(join(programs, 'initdb'), initdb, { ...spawnIdentity(account), cwd: directory });
  const settings = [
    '-c',
    'listen_addresses=',
    '-c',
    `unix_socket_directories=${directory}`,
    '-c',
    'fsync=off',
  ];
  const server: ChildProcess = spawn(join(programs, 'postgres'), ['-D', data, ...settings], {
    ...spawnIdentity(account),
    cwd: directory,
    stdio: 'ignore',
  });
  const url: DebianServer['url'] = (database, user = 'owner') =>
    `postgres://${user}@localhost/${database}?host=${encodeURIComponent(directory)}`;
  const close = async () => {
    if (server.exitCode === null && server.kill('SIGQUIT')) await once(server, 'exit');
  };
  await until('the server of Debian to answer', async () => {
    const database = connect({ url: url('postgres'), max: 1, applicationName: 'osa tests' });
    const answer = await database.sql`select 1`.catch(() => undefined);
    await database.close();
    return answer && true;
  });
  return {
    url,
    close,
    async run(program, ...args) {
      await execa(join(programs, program), args);
    },
  };
}
