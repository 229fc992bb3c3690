import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { registryEnvironment } from '../../support/containers/images.ts';
import { type EngineOfDaemon, engineOf } from './engine.ts';
import { type Line, startProxy } from './proxy.ts';

/** The daemons of one run, as processes; one that ends although nobody ended it is started again, and told. */
export class Daemons {
  readonly members: Member[] = [];
  private readonly options: DaemonOptions;
  /** Faults of the processes themselves. */
  readonly troubles: string[] = [];

  constructor(options: DaemonOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { count, directory, key, postgresSocket } = this.options;
    for (let index = 0; index < count; index += 1) {
      const place = join(directory, `d${index}`);
      await mkdir(place, { recursive: true, mode: 0o755 });
      await writeFile(join(place, 'dev-key.jwk'), key, { mode: 0o600 });
      const engine = this.options.inContainers ? await engineOf(place) : undefined;
      const proxy = await startProxy(postgresSocket);
      this.members.push({ index, place, proxy, engine, wanted: true, away: [] });
    }
    for (const member of this.members) this.launch(member);
    await Promise.all(this.members.map((member) => this.untilUp(member)));
  }

  /** The addresses of those that listen at the moment. */
  urls(): string[] {
    return this.members.flatMap(({ url }) => (url === undefined ? [] : [url]));
  }

  member(index: number): Member {
    const member = this.members[index];
    if (!member) throw new Error(`there is no daemon ${index}`);
    return member;
  }

  async kill(index: number): Promise<void> {
    await this.end(this.member(index), 'SIGKILL');
  }

  /** Asks it to stop; whatever holds it up is ended after a while. */
  async stop(index: number): Promise<number | null> {
    return this.end(this.member(index), 'SIGTERM');
  }

  async restart(index: number): Promise<void> {
    const member = this.member(index);
    member.wanted = true;
    await this.bringUp(member);
  }

  pause(index: number): void {
    const member = this.member(index);
    leave(member);
    member.process?.kill('SIGSTOP');
  }

  resume(index: number): void {
    const member = this.member(index);
    member.process?.kill('SIGCONT');
    if (member.url !== undefined) comeBack(member);
  }

  /** Stops all, and says which did not end as asked. */
  async close(): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        this.resume(member.index);
        const running = member.process !== undefined;
        // A wait for a dead connection ends by the daemon's own deadline, which is not a good end.
        const mayBeCut = member.proxy.hasDead();
        const code = await this.end(member, 'SIGTERM');
        if (running && code !== 0 && !(mayBeCut && code === 1))
          this.troubles.push(`daemon ${member.index} ended with ${code} after SIGTERM`);
        await member.proxy.close();
      }),
    );
  }

  async discard(): Promise<void> {
    for (const member of this.members) {
      member.wanted = false;
      member.process?.kill('SIGKILL');
      await member.proxy.close();
    }
  }

  private async end(member: Member, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    member.wanted = false;
    member.url = undefined;
    const child = member.process;
    if (!child) return 0;
    if (signal === 'SIGKILL') leave(member);
    child.kill(signal);
    const late = setTimeout(() => {
      this.troubles.push(`daemon ${member.index} does not end after ${signal}`);
      child.kill('SIGKILL');
    }, endWithinMs);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    clearTimeout(late);
    return child.exitCode;
  }

  private async bringUp(member: Member): Promise<void> {
    if (!member.process) this.launch(member);
    await this.untilUp(member).catch((error: unknown) => this.troubles.push(String(error)));
  }

  private launch(member: Member): void {
    const { bundle, data, leaseSeconds, role, database, control } = this.options;
    const url = `postgres://${role}@127.0.0.1:${member.proxy.port}/${database}`;
    const child = spawn(
      process.execPath,
      [bundle, '--dev', '--port', '0', '--dir', member.place, '--adopt', '--data', data, '--database', url],
      {
        env: {
          PATH: [
            ...(member.engine ? [member.engine.path] : []),
            dirname(process.execPath),
            process.env.PATH,
          ].join(':'),
          OSA_RUNNER: member.engine ? 'podman' : 'process',
          OSA_PULL_TIMEOUT_SECONDS: String(pullMs / 1_000),
          ...registryEnvironment(),
          HOME: member.place,
          // They are started thousands of times from the same file.
          NODE_COMPILE_CACHE: join(dirname(bundle), 'compiled'),
          OSA_LEASE_SECONDS: String(leaseSeconds),
          OSA_WORKER_CONCURRENCY: '2',
          OSA_DRAIN_SECONDS: '2',
          OSA_LOG_LEVEL: 'debug',
          OSA_FAILPOINT_SOCKET: control(member.index),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const log = createWriteStream(join(member.place, 'log'), { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    member.process = child;
    child.once('exit', (code, signal) => {
      log.end();
      const wasUp = member.url !== undefined;
      if (member.process !== child) return;
      leave(member);
      delete member.process;
      delete member.url;
      if (!member.wanted) return;
      // A daemon that starts without a database may give up; one that has been up may not.
      if (wasUp) this.troubles.push(`daemon ${member.index} ended by itself with ${signal ?? code}`);
      setTimeout(() => member.wanted && this.bringUp(member), 150);
    });
  }

  private async untilUp(member: Member): Promise<void> {
    const deadline = Date.now() + upWithinMs;
    while (member.wanted) {
      const text = await readFile(join(member.place, 'daemon.json'), 'utf8').catch(() => '{}');
      const { pid, url } = JSON.parse(text) as { pid?: number; url?: string };
      if (url !== undefined && pid === member.process?.pid) {
        member.url = url;
        comeBack(member);
        return;
      }
      if (Date.now() > deadline) throw new Error(`daemon ${member.index} is not up after ${upWithinMs} ms`);
      await delay(20);
    }
  }
}

function leave({ away }: Member): void {
  const last = away.at(-1);
  if (!last || last.to !== undefined) away.push({ from: Date.now() });
}

function comeBack({ away }: Member): void {
  const last = away.at(-1);
  if (last) last.to ??= Date.now();
}

export interface DaemonOptions {
  readonly bundle: string;
  readonly count: number;
  /** Each daemon has its own directory below it. */
  readonly directory: string;
  readonly data: string;
  /** The private key, as JWK, that all of them trust. */
  readonly key: string;
  readonly leaseSeconds: number;
  readonly role: string;
  readonly database: string;
  readonly postgresSocket: string;
  readonly inContainers: boolean;
  control(index: number): string;
}

export interface Member {
  readonly index: number;
  readonly place: string;
  readonly proxy: Line;
  /** Where hooks run in containers. */
  readonly engine: EngineOfDaemon | undefined;
  process?: ChildProcess | undefined;
  /** While it listens. */
  url?: string | undefined;
  /** Whether it is to run. */
  wanted: boolean;
  /** When it was stopped, ended or not up yet again, and so could do nothing. */
  readonly away: { readonly from: number; to?: number }[];
}

/** The daemon's time for a pull. */
export const pullMs = 3_000;
const upWithinMs = 60_000;
const endWithinMs = 20_000;
