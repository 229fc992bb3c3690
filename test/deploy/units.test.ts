import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { notifySystemd } from '@osa/core/system/systemd-notify';
import { otherVariables, settingNames, variablesOf } from '@osa/daemon/config/settings';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { scratch } from '../support/database/database.ts';

/** The files under deploy/ are what their programs accept, and name only settings that exist. */

const deploy = join(import.meta.dirname, '../../deploy');
const variables = new Set([...settingNames.flatMap(variablesOf), ...Object.keys(otherVariables)]);
let place: Awaited<ReturnType<typeof scratch>>;
beforeAll(async () => {
  place = await scratch();
});
afterAll(() => place.dispose());

async function lacks(program: string): Promise<boolean> {
  return (await execa('sh', ['-c', 'command -v "$1"', 'sh', program], { reject: false })).exitCode !== 0;
}

describe('the units of systemd', async () => {
  const units = readdirSync(join(deploy, 'systemd'));

  test.skipIf(await lacks('systemd-analyze')).each(units)('systemd accepts %s', async (unit) => {
    const text = await readFile(join(deploy, 'systemd', unit), 'utf8');
    const file = join(place.path, unit);
    await writeFile(file, text.replaceAll('/usr/local/bin/osad', process.execPath));
    const { exitCode, stderr } = await execa('systemd-analyze', ['verify', '--man=no', file], {
      reject: false,
    });
    const ours = stderr.split('\n').filter((line) => line.includes(unit));
    expect({ exitCode, ours }).toEqual({ exitCode: 0, ours: [] });
  });

  test.each(units)('%s names settings that exist, and no secret', (unit) => {
    const text = readFileSync(join(deploy, 'systemd', unit), 'utf8');
    const named = [...text.matchAll(/^Environment=([A-Z_]+)=/gm)].map(([, name = '']) => name);
    expect(named.filter((name) => !variables.has(name))).toEqual([]);
    expect(named).toContain('OSA_DATABASE_URL_FILE');
    expect(text).toMatch(/^LoadCredential=database-url:/m);
    expect(text).not.toMatch(/postgres:\/\//);
  });

  test.skipIf(await lacks('systemd-analyze'))('the server is confined', async () => {
    const args = ['security', '--offline=true', '--threshold=20', join(deploy, 'systemd/osad.service')];
    const { exitCode, stdout } = await execa('systemd-analyze', args, { reject: false });
    expect({ exitCode, last: stdout.split('\n').at(-1) }).toMatchObject({ exitCode: 0 });
  });
});

const cannotNotify = (await lacks('systemd-notify')) || (await lacks('python3'));

describe('a message for the service manager', () => {
  test.skipIf(cannotNotify)('arrives at its socket', async () => {
    const socket = join(place.path, 'notify');
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
print(s.recv(4096).decode(), flush=True)
s.recv(4096)`;
    const manager = spawn('python3', ['-c', script, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(manager, 'exit');
    let said = '';
    manager.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    await once(manager.stdout, 'data');
    expect(await notifySystemd(socket, ['READY=1', 'MAINPID=7'])).toBe(undefined);
    await ended;
    expect(said).toContain('READY=1\nMAINPID=7');
  });

  test.skipIf(cannotNotify)('to nobody is an answer, not an error', async () => {
    expect(await notifySystemd(join(place.path, 'nobody'), ['READY=1'])).toMatch(/notify/i);
  });
});

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

describe('compose.yaml', () => {
  const text = readFileSync(join(deploy, 'compose.yaml'), 'utf8');
  const { services, secrets, volumes } = parse(text, { merge: true }) as {
    services: Readonly<Record<string, Service>>;
    secrets: Readonly<Record<string, { readonly file: string }>>;
    volumes: Readonly<Record<string, unknown>>;
  };

  test.each(Object.entries(services))('%s names what is there', (_name, service) => {
    const own = Object.keys(service.environment ?? {}).filter((name) => /^(OSA_|DATABASE_)/.test(name));
    expect(own.filter((name) => !variables.has(name))).toEqual([]);
    expect((service.secrets ?? []).filter((name) => !(name in secrets))).toEqual([]);
    expect(Object.keys(service.depends_on ?? {}).filter((name) => !(name in services))).toEqual([]);
    const used = Object.values(service.environment ?? {}).flatMap(
      (value) => /^\/run\/secrets\/(.+)$/.exec(value)?.[1] ?? [],
    );
    expect(used.filter((name) => !service.secrets?.includes(name))).toEqual([]);
    const sources = (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
    for (const source of sources) {
      if (source.startsWith('./')) expect(readFileSync(join(deploy, source), 'utf8')).not.toBe('');
      else expect(Object.keys(volumes)).toContain(source);
    }
  });

  test('only the proxy is open to others, and osad has a read-only root', () => {
    const ports = Object.entries(
      parse(text, { merge: true }).services as Record<string, { ports?: string[] }>,
    )
      .flatMap(([name, { ports: own = [] }]) => own.map((port) => `${name} ${port}`))
      .filter((port) => !port.includes('127.0.0.1'));
    expect(ports).toEqual(['proxy 80:80', 'proxy 443:443']);
    expect(services.osad?.read_only).toBe(true);
  });

  test('a secret that is missing says what to do, and the script makes those that can be made', async () => {
    for (const { file } of Object.values(secrets))
      expect(file).toMatch(/^\$\{OSA_SECRETS:\?run make-secrets/);
    const copy = join(place.path, 'deploy');
    await mkdir(copy);
    await copyFile(join(deploy, 'make-secrets.sh'), join(copy, 'make-secrets.sh'));
    await writeFile(join(place.path, 'key.jwk'), '{}');
    const make = (...args: string[]) =>
      execa('sh', [join(copy, 'make-secrets.sh'), ...args], { reject: false });
    expect(await make()).toMatchObject({ exitCode: 2 });
    expect(await make('Archive.example.org')).toMatchObject({ exitCode: 2 });
    const none = await make('archive.example.org', join(place.path, 'none.jwk'));
    expect(none).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('PUBLIC_KEY_FILE: ') });
    expect(await make('archive.example.org', place.path)).toMatchObject({ exitCode: 2 });
    expect(await readdir(copy)).toEqual(['make-secrets.sh']);
    expect(await make('archive.example.org', join(place.path, 'key.jwk'))).toMatchObject({ exitCode: 0 });
    expect((await readdir(copy)).sort()).toEqual(['.env', 'make-secrets.sh', 'secrets']);
    for (const { file } of Object.values(secrets)) {
      const made = join(copy, 'secrets', file.slice(file.indexOf('}/') + 2));
      expect((await stat(made)).size).toBeGreaterThan(0);
    }
    const url = await readFile(join(copy, 'secrets/database-url'), 'utf8');
    expect(url).toContain(await readFile(join(copy, 'secrets/app-password'), 'utf8'));
    const again = await make('archive.example.org');
    expect(again).toMatchObject({ exitCode: 1 });
    expect(await readFile(join(copy, 'secrets/database-url'), 'utf8')).toBe(url);
  });
});
