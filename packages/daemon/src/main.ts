#!/usr/bin/env node
import { isOutputWorker, serveOutputWorker } from '@osa/core/run/output-worker';

// A thread that reads the output of hooks starts here too where all is one file, and needs nothing else.
if (isOutputWorker()) serveOutputWorker();
else await main();

/** The only place that ends the process. */
async function main(): Promise<void> {
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
  const { help, readOptions } = await import('./options.ts');
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } });
  const options = readOptions(process.argv.slice(2));
  if (options.command === 'help') return print(help);
  if (options.command === 'version') return print(`${manifest.version}\n`);
  const { appRole, logLevelOf, ownerUrl, productionConfig, readSettings, systemEnvironment } = await import(
    './config.ts'
  );
  const environment = systemEnvironment();
  if (options.command === 'migrate') {
    const { migrateDatabase } = await import('./migrate.ts');
    const url = ownerUrl(environment, options.database);
    return print(`osad: ${await migrateDatabase({ url, appRole: appRole(environment) })}\n`);
  }
  const fromSettings = readSettings(environment, options.config);
  const settings = { ...fromSettings, role: options.role ?? fromSettings.role };
  const { obeyFailpoints } = await import('./failpoints.ts');
  await obeyFailpoints(environment);
  const { createLog } = await import('./log.ts');
  const isDev = options.command === 'dev';
  const log = createLog({ level: logLevelOf(settings, isDev), readable: isDev });
  const signals = watchSignals(log, settings.drain_seconds);
  const shared = { version: manifest.version, settings, environment };
  if (options.command === 'dev') {
    const { startDev } = await import('./dev.ts');
    const daemon = await startDev({ ...shared, ...options }, { log });
    await print(
      `osad listens on ${daemon.url}; deploy with: osa deploy <convention.yaml>, stop with Ctrl-C\n`,
    );
    await signals.stop;
    await daemon.close();
    return 0;
  }
  const { startDaemon } = await import('./daemon.ts');
  const daemon = await startDaemon(await productionConfig(shared), { log });
  await signals.stop;
  await daemon.close();
  return 0;
}

interface FatalLog {
  fatal(details: object, message: string): void;
}

/** The first signal drains, within a bound; the second one ends at once. So does an error that nobody handles. */
function watchSignals(log: FatalLog, drainSeconds: number): { readonly stop: Promise<void> } {
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
