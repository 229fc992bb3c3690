#!/usr/bin/env node
import { resolve } from 'node:path';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { nodeFlaw } from '@osa/core/node-version';
import { isOutputThread, serveOutputThread } from '@osa/core/run/output/thread';
import type { Logger } from 'pino';
import type { Settings } from './config/config.ts';
import type { Options } from './config/options.ts';
import type { Daemon } from './daemon.ts';

// A thread that reads the output of hooks starts here too where all is one file, and needs nothing else.
if (isOutputThread()) serveOutputThread();
else await main();

/** The only place that ends the process. */
async function main(): Promise<void> {
  const flaw = nodeFlaw();
  if (flaw !== undefined) {
    process.stderr.write(`osad ${flaw}\n`);
    process.exit(2);
  }
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  try {
    process.exit(await run());
  } catch (error) {
    const { asOsaError } = await import('@osa/core/error');
    const known = asOsaError(error);
    const text = known?.message ?? (error instanceof Error ? error.stack : String(error));
    process.stderr.write(`osad: ${text}\n`);
    process.exit(known?.code === 'usage' || known?.code === 'credentials' ? 2 : 1);
  }
}

async function run(): Promise<number> {
  const { help, readOptions } = await import('./config/options.ts');
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } });
  const options = readOptions(process.argv.slice(2));
  if (options.command === 'help') return print(help);
  if (options.command === 'version') return print(`${manifest.version}\n`);
  if (options.command === 'serve' || options.command === 'dev') return serve(options, manifest.version);
  const { appRole, ownerUrl, systemEnvironment } = await import('./config/config.ts');
  const environment = systemEnvironment();
  const url = ownerUrl(environment, options.database);
  if (options.command === 'migrate') {
    const { migrateDatabase } = await import('./migrate.ts');
    return print(`osad: ${await migrateDatabase({ url, appRole: appRole(environment) })}\n`);
  }
  const { changeRoles } = await import('./roles.ts');
  return print(await changeRoles({ url, change: options.change }));
}

/** A daemon, until it is told to stop. */
async function serve(
  options: Extract<Options, { command: 'serve' | 'dev' }>,
  version: string,
): Promise<number> {
  const { obeyHangups } = watchHangups();
  const { logLevelOf, productionConfig, readSettings, systemEnvironment } = await import(
    './config/config.ts'
  );
  const environment = systemEnvironment();
  const read = (): Settings => {
    const settings = readSettings(environment, options.config);
    return { ...settings, part: options.part ?? settings.part };
  };
  const settings = read();
  const { obeyFailpoints } = await import('./failpoints.ts');
  await obeyFailpoints(environment);
  const { createLog } = await import('./log.ts');
  const isDev = options.command === 'dev';
  const log = createLog({ level: logLevelOf(settings, isDev), readable: isDev });
  const signals = watchSignals(log, settings.drain_seconds);
  const shared = { version, settings, environment };
  let daemon: Daemon;
  if (options.command === 'dev') {
    const { devIssuers, startDev } = await import('./dev/dev.ts');
    daemon = await startDev({ ...shared, ...options }, { log });
    obeyHangups(() => reload(daemon, log, () => devIssuers(read(), resolve(options.directory))));
    await print(
      `osad listens on ${daemon.url}; deploy with: osa deploy <convention.yaml>, stop with Ctrl-C\n`,
    );
  } else {
    const { startDaemon } = await import('./daemon.ts');
    daemon = await startDaemon(await productionConfig(shared), { log });
    const issuers = async () => (await productionConfig({ ...shared, settings: read() })).trusted;
    obeyHangups(() => reload(daemon, log, issuers));
  }
  await signals.stop;
  await daemon.close();
  return 0;
}

/** Reads settings and keys again. What cannot be used is told, and the issuers stay as they were. */
async function reload(daemon: Daemon, log: Logger, read: () => Promise<TrustedIssuers>): Promise<void> {
  try {
    const trusted = await read();
    daemon.trust(trusted);
    log.info({ issuers: trusted.machines.map(({ issuer }) => issuer) }, 'issuers are read again');
  } catch (error) {
    log.error({ err: error }, 'issuers cannot be read again, and stay as they were');
  }
}

/**
 * SIGHUP ends a process that does not listen for it, so it is listened for from the start. One that comes while the
 * daemon starts is obeyed once there is something to do; each waits for the one before, so that the last one counts.
 */
function watchHangups(): { readonly obeyHangups: (work: () => Promise<void>) => void } {
  const { promise: work, resolve: obeyHangups } = Promise.withResolvers<() => Promise<void>>();
  let last: Promise<unknown> = work;
  process.on('SIGHUP', () => {
    last = last.then(async () => (await work)());
  });
  return { obeyHangups };
}

/** The first signal drains, within a bound; the second one ends at once. So does an error that nobody handles. */
function watchSignals(log: Logger, drainSeconds: number): { readonly stop: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const onSignal = () => {
    count += 1;
    if (count > 1) process.exit(1);
    setTimeout(() => process.exit(1), (drainSeconds + 10) * 1_000).unref();
    resolve();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, `${event}: ending, since what it leaves is not known`);
      process.exit(1);
    });
  }
  return { stop: promise };
}

/** Resolves when it is written, also to a pipe. */
async function print(text: string): Promise<0> {
  await new Promise<void>((done) => {
    process.stdout.write(text, () => done());
  });
  return 0;
}
