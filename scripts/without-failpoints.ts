import type { Plugin } from 'esbuild';

/** Removes the tests' failpoints from built programs: calls of an empty function vanish, and their names too. */
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
