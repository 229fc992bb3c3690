import type { Plugin } from 'esbuild';

/** Takes the failpoints of tests out of built programs: calls of an empty function vanish, and so do their names. */
export const withoutFailpoints: Plugin = {
  name: 'without-failpoints',
  setup({ onLoad }) {
    onLoad({ filter: /core[\\/]src[\\/]failpoint\.ts$/ }, () => ({
      contents: 'export function failpoint() {}',
      loader: 'js',
    }));
    onLoad({ filter: /daemon[\\/]src[\\/]failpoints\.ts$/ }, () => ({
      contents: 'export function obeyFailpoints() {}',
      loader: 'js',
    }));
  },
};
