import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { s3Client } from '@osa/core/storage/s3/request';
import { s3Target } from '@osa/core/storage/s3/target';

/** A real S3 server: OpenStack Swift with its s3api, from Debian's packages, in a directory of its own. */
export interface Swift {
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Makes a bucket, and gives its `s3://…` with a prefix. */
  bucket(): Promise<string>;
  /** The files that hold the bytes of objects. */
  objects(): Promise<string[]>;
  close(): Promise<void>;
}

export const swiftPackages = 'swift-proxy swift-account swift-container swift-object';

/** Why it cannot be started here. */
export function swiftMissing(): string | undefined {
  const missing = ['proxy', 'account', 'container', 'object']
    .map((kind) => `/usr/bin/swift-${kind}-server`)
    .filter((path) => !existsSync(path));
  return missing.length === 0
    ? undefined
    : `${missing.join(', ')} is missing: apt-get install ${swiftPackages}`;
}

const credentials = { accessKeyId: 'test:tester', secretAccessKey: 'the-secret-of-a-test' };
const kinds = ['account', 'container', 'object'] as const;

export async function startSwift(): Promise<Swift> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-swift-'));
  const servers: ChildProcess[] = [];
  const close = async () => {
    for (const server of servers) server.kill('SIGKILL');
    await Promise.all(servers.map((server) => server.exitCode ?? server.signalCode ?? once(server, 'exit')));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const ports = await freePorts(kinds.length + 1);
    await writeRings(directory, ports);
    for (const [index, kind] of kinds.entries()) {
      servers.push(await start(directory, kind, storageServer(directory, kind, ports[index] ?? 0)));
    }
    const port = ports.at(-1) ?? 0;
    servers.push(await start(directory, 'proxy', proxyServer(directory, port)));
    await answering(`http://127.0.0.1:${port}/`, directory);
    const objects = async () => {
      const entries = await readdir(join(directory, 'd/objects'), { recursive: true });
      return entries
        .filter((name) => name.endsWith('.data'))
        .map((name) => join(directory, 'd/objects', name));
    };
    return { credentials, bucket: () => makeBucket(port), objects, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeBucket(port: number): Promise<string> {
  const text = `s3://bucket-${randomUUID()}/osa?endpoint=http://127.0.0.1:${port}`;
  const client = s3Client({ target: s3Target(text, 'test'), credentials });
  await client.send({ method: 'PUT', key: '' }, async () => undefined);
  return text;
}

async function answering(url: string, directory: string): Promise<void> {
  const end = Date.now() + 120_000;
  for (;;) {
    const isThere = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isThere) return;
    if (Date.now() > end)
      throw new Error(`swift does not start: ${await readFile(join(directory, 'proxy.log'), 'utf8')}`);
    await wait(100);
  }
}

async function start(directory: string, kind: string, config: string): Promise<ChildProcess> {
  const file = join(directory, `${kind}.conf`);
  await writeFile(file, config);
  const script = `exec /usr/bin/python3 /usr/bin/swift-${kind}-server ${file} > ${join(directory, kind)}.log 2>&1`;
  return spawn('/bin/sh', ['-c', script], {
    stdio: 'ignore',
    env: { PATH: '/usr/bin:/bin', HOME: directory },
  });
}

/** One copy of everything on one device, which is a directory. */
async function writeRings(directory: string, ports: readonly number[]): Promise<void> {
  await mkdir(join(directory, 'd'));
  const script = `
import sys
from array import array
from swift.common.ring import RingData
for name, port in zip(${JSON.stringify(kinds)}, sys.argv[2:]):
    device = {'id': 0, 'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port), 'device': 'd', 'weight': 1,
              'replication_ip': '127.0.0.1', 'replication_port': int(port), 'meta': ''}
    RingData([array('H', [0, 0])], [device], 31).save(sys.argv[1] + '/' + name + '.ring.gz')
`;
  const python = spawn('/usr/bin/python3', ['-c', script, directory, ...ports.slice(0, 3).map(String)], {
    stdio: 'inherit',
    env: { PATH: '/usr/bin:/bin', HOME: directory },
  });
  const [code] = await once(python, 'exit');
  if (code !== 0) throw new Error('the rings of swift cannot be made');
}

function storageServer(directory: string, kind: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${directory}
devices = ${directory}
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
`;
}

/** Nothing listens on the port of the cache, which is a cache only. */
function proxyServer(directory: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${directory}
[pipeline:main]
pipeline = catch_errors cache bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${credentials.secretAccessKey} .admin
[filter:slo]
use = egg:swift#slo
`;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((done) => {
        server.close(done);
      });
      return typeof address === 'object' && address ? address.port : 0;
    }),
  );
}
