#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import manifest from '../package.json' with { type: 'json' };

// Nothing else is imported here: `osa --version` must not wait for what it does not use.
enableCompileCache();
const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`${manifest.version}\n`);
} else {
  await main();
}

async function main(): Promise<void> {
  const interruption = new AbortController();
  const interrupt = () => {
    // The second one does not wait for anything.
    if (interruption.signal.aborted) process.exit(130);
    interruption.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Who reads our output has closed it, as `head` does: that is no error.
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });

  const [{ run }, { systemSources }] = await Promise.all([import('./program.ts'), import('./config.ts')]);
  const { stdin, stdout, stderr } = process;
  process.exitCode = await run(argv, {
    streams: { stdin, stdout, stderr },
    sources: await systemSources(),
    signal: interruption.signal,
    version: manifest.version,
  });
  // A standard input that nobody closes would keep the process.
  stdin.destroy();
}
