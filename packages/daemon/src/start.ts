#!/usr/bin/env node
import { nodeFlaw } from '@osa/core/system/node-version';
import { boundYoungObjects } from './young-objects.ts';

/**
 * Starts the built program. Compiled code can be kept only for modules that are loaded after this is asked for, so the
 * program itself is another file. An older Node is refused before that: it could not even link the program.
 *
 * On a large machine V8 lets the heap grow to several times what is in use before it collects. Tables are written as files
 * through a heap that is nearly all garbage, so a heap is collected when it has grown by half. It costs about a tenth of
 * the processor's time of such a file.
 */
const flaw = nodeFlaw();
if (flaw === undefined) {
  const { enableCompileCache } = await import('node:module');
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--heap-growing-percent=50');
  boundYoungObjects();
  enableCompileCache?.();
  await import('./main.ts');
} else {
  process.stderr.write(`osad ${flaw}\n`);
  process.exitCode = 2;
}
