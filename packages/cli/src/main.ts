#!/usr/bin/env node
import { isMainThread } from 'node:worker_threads';
import { nodeFlaw } from '@osa/core/system/node-version';
import manifest from '../package.json' with { type: 'json' };

// Everything else is imported where it is used: `osa --version` must not wait for it.
const argv = process.argv.slice(2);
const flaw = nodeFlaw();
if (flaw !== undefined) {
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  const error = { code: 'usage', message: `osa ${flaw}`, field: null, details: {} };
  // The module that prints other errors needs the newer Node.
  if (options.includes('--json')) process.stdout.write(`${JSON.stringify({ error }, undefined, 2)}\n`);
  else process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 2;
} else if (!isMainThread) {
  // A thread that reads what a hook wrote starts here too.
  const { serveOutputThread } = await import('@osa/core/run/output/thread');
  serveOutputThread();
} else if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`${manifest.version}\n`);
} else {
  await main();
}

async function main(): Promise<void> {
  await keepHeapSmall();
  await keepCompiledCode();
  const interruption = new AbortController();
  const interrupt = () => {
    // The second one does not wait for anything.
    if (interruption.signal.aborted) process.exit(130);
    interruption.abort();
  };
  // A terminal that is closed hangs up; what was started must end then, too.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', endWithout(stream));

  const [{ run }, { systemSources }] = await Promise.all([
    import('./program.ts'),
    import('./config/config.ts'),
  ]);
  const { stdin, stdout, stderr } = process;
  process.exitCode = await run(argv, {
    streams: { stdin, stdout, stderr },
    sources: await systemSources(),
    signal: interruption.signal,
    version: manifest.version,
    entry: new URL(import.meta.url),
  });
  // A standard input that nobody closes would keep the process.
  stdin.destroy();
}

/** On a large machine V8 lets the heap grow to several times what is in use; large files are read through a heap of garbage. */
async function keepHeapSmall(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--heap-growing-percent=50');
}

/** In the home, since Node's own choice is a directory that all users share. Without a home it does nothing. */
async function keepCompiledCode(): Promise<void> {
  const [{ enableCompileCache }, { homedir }, { join }] = await Promise.all([
    import('node:module'),
    import('node:os'),
    import('node:path'),
  ]);
  enableCompileCache(join(homedir(), '.cache', 'osa', 'compiled'));
}

/** Ends the process where what it says cannot be written. */
function endWithout(stream: NodeJS.WriteStream) {
  return ({ code }: NodeJS.ErrnoException) => {
    // A reader may close our output, as `head` does.
    if (code === 'EPIPE') process.exit();
    if (stream === process.stdout) {
      process.stderr.write(`error: standard output cannot be written (${code}); is the disk full?\n`);
    }
    process.exit(1);
  };
}
