#!/usr/bin/env node
/**
 * Starts the built program. Compiled code can be kept only for modules that are loaded after this is asked for, so the
 * program itself is another file. An older Node, which keeps none, is refused there.
 */
const { enableCompileCache } = await import('node:module');
enableCompileCache?.();
await import('./main.ts');

export {};
