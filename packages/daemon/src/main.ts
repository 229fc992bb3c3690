#!/usr/bin/env node
import { resolve } from 'node:path';
import type { TrustedIssuers } from '@osa/core/auth/issuer';
import { isOutputThread, serveOutputThread } from '@osa/core/run/output/thread';
import { nodeFlaw } from '@osa/core/system/node-version';
import type { Logger } from 'pino';
import type { Options } from './config/options.ts';
import type { Settings } from './config/read-settings.ts';
import type { Daemon } from './daemon.ts';

/**
 * One request to stop can arrive as two signals: on Ctrl-C both the terminal and npx send one, and `timeout` sends one
 * to the process and one to its group.
 */
const sameRequestMs = 1_000;

// In the built program, which is one file, the threads that read the output of hooks start here as well.
if (isOutputThread()) serveOutputThread();
else await main();

/** Only this file ends the process. */
async function main(): Promise<void> {
  const flaw = nodeFlaw();
  if (flaw !== undefined) {
    process.stderr.write(`osad ${flaw}\n`);
    process.exit(2);
  }
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
  const { readOptions } = await import('./config/options.ts');
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } });
  const options = readOptions(process.argv.slice(2));
  if (options.command === 'help') {
    const { help } = await import('./config/help.ts');
    return print(help());
  }
  if (options.command === 'version') return print(`${manifest.version}\n`);
  if (options.command === 'serve' || options.command === 'dev') return serve(options, manifest.version);
  if (options.command === 'keys') return keys(options);
  const { appRole, ownerUrl, systemEnvironment } = await import('./config/config.ts');
  const environment = systemEnvironment();
  if (options.command === 'check' && !options.restored) {
    const { checkStart } = await import('./upkeep/start-check.ts');
    const { text, ok } = await checkStart({ ...options, environment, version: manifest.version });
    await print(text);
    return ok ? 0 : 1;
  }
  const url = ownerUrl(environment, options.database);
  if (options.command === 'migrate') {
    const { migrateDatabase } = await import('./upkeep/migrate.ts');
    return print(`osad: ${await migrateDatabase({ url, appRole: appRole(environment) })}\n`);
  }
  if (options.command === 'storage') {
    const { careForStorage } = await import('./upkeep/storage.ts');
    const write = (text: string) => print(text).then(() => undefined);
    return careForStorage({ url, environment, config: options.config, work: options.work, write });
  }
  if (options.command === 'check') {
    const { checkArchive } = await import('./upkeep/restored.ts');
    const { text, ok } = await checkArchive({ ...options, url, environment });
    await print(text);
    return ok ? 0 : 1;
  }
  if (options.command === 'prune') {
    const { pruneArchive } = await import('./upkeep/prune.ts');
    const write = (text: string) => print(text).then(() => undefined);
    const note = process.stderr.isTTY ? (text: string) => void process.stderr.write(text) : undefined;
    await pruneArchive({ ...options, url, environment, write, note });
    return 0;
  }
  const { changeRoles } = await import('./roles.ts');
  return print(await changeRoles({ url, change: options.change }));
}

/** `osad keys attestation`. */
async function keys({ rotate, data, config }: Extract<Options, { command: 'keys' }>): Promise<number> {
  const { systemEnvironment } = await import('./config/config.ts');
  const { readSettings } = await import('./config/read-settings.ts');
  const { required } = await import('./config/named-file.ts');
  const { attestationFile, showAttestationKeys } = await import('./attestation.ts');
  const directory = data ?? readSettings(systemEnvironment(), config).data_dir;
  const path = attestationFile(
    resolve(required(directory, 'OSA_DATA_DIR', 'a directory for uploaded files')),
  );
  return print(await showAttestationKeys(path, { rotate }));
}

/** Runs a daemon until a signal stops it. */
async function serve(
  options: Extract<Options, { command: 'serve' | 'dev' }>,
  version: string,
): Promise<number> {
  const { obeyHangups } = watchHangups();
  const { logLevelOf, productionConfig, systemEnvironment } = await import('./config/config.ts');
  const { readSettings } = await import('./config/read-settings.ts');
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
  const { serviceManager } = await import('./notify.ts');
  const manager = serviceManager(environment, log);
  let daemon: Daemon;
  if (options.command === 'dev') {
    const { devIssuers, startDev } = await import('./dev/dev.ts');
    daemon = await startDev({ ...shared, ...options }, { log });
    obeyHangups(() => reload(daemon, log, () => devIssuers(read(), resolve(options.directory))));
    await print(
      `osad listens on ${daemon.url}; deploy with: osa deploy <convention.yaml>; stop with Ctrl-C\n`,
    );
  } else {
    const { startDaemon } = await import('./daemon.ts');
    daemon = await startDaemon(await productionConfig(shared), { log });
    const issuers = async () => (await productionConfig({ ...shared, settings: read() })).trusted;
    obeyHangups(() => reload(daemon, log, issuers));
  }
  await manager.ready();
  await signals.stop;
  await Promise.all([manager.stopping(), daemon.close()]);
  return 0;
}

/** Reads settings and keys again. If they cannot be used, this is logged and the issuers stay the same. */
async function reload(daemon: Daemon, log: Logger, read: () => Promise<TrustedIssuers>): Promise<void> {
  try {
    const trusted = await read();
    daemon.trust(trusted);
    log.info({ issuers: trusted.machines.map(({ issuer }) => issuer) }, 'reloaded the issuers');
  } catch (error) {
    log.error({ err: error }, 'cannot reload the issuers; they stay the same');
  }
}

/**
 * SIGHUP ends a process without a handler, so there is one from the start. A signal during the start takes effect once
 * the daemon runs. Each waits for the one before, so that the last one counts.
 */
function watchHangups(): { readonly obeyHangups: (work: () => Promise<void>) => void } {
  const { promise: work, resolve: obeyHangups } = Promise.withResolvers<() => Promise<void>>();
  let last: Promise<unknown> = work;
  process.on('SIGHUP', () => {
    last = last.then(async () => (await work)());
  });
  return { obeyHangups };
}

/** The first signal drains, within a time limit. A later one, or an unhandled error, ends the process at once. */
function watchSignals(log: Logger, drainSeconds: number): { readonly stop: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked: number | undefined;
  const onSignal = () => {
    if (asked !== undefined && performance.now() - asked > sameRequestMs) process.exit(1);
    if (asked !== undefined) return;
    asked = performance.now();
    setTimeout(() => process.exit(1), (drainSeconds + 10) * 1_000).unref();
    resolve();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, `${event}: ending, since the state is unknown`);
      process.exit(1);
    });
  }
  return { stop: promise };
}

/** Resolves when the text is written, even to a pipe. */
async function print(text: string): Promise<0> {
  await new Promise<void>((done) => {
    process.stdout.write(text, () => done());
  });
  return 0;
}
