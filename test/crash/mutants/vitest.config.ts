import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeConfig, type Plugin } from 'vitest/config';
import config from '../../../vitest.config.ts';
import { inlinedMigrations, isMigration, migrationsWith, withDefects } from '../world/bundle.ts';
import { allMutants } from './all.ts';

/** The tests over the source with the defects of the mutant that OSA_MUTANT names. */

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const mutant = allMutants.find(({ name }) => name === process.env.OSA_MUTANT);
if (!mutant) throw new Error('OSA_MUTANT names no mutant');
const { defects } = mutant;

const plugin: Plugin = {
  name: 'with-defects',
  enforce: 'pre',
  transform(code, id) {
    const [path = ''] = id.split('?');
    if (path === join(root, 'packages/core/src/postgres/migrations/index.ts') && defects.some(isMigration))
      return inlinedMigrations(migrationsWith(defects));
    return withDefects(code, defects, path.slice(root.length + 1));
  },
};

// Transformed modules are kept by the text before the transformation, so those of another mutant would come back.
export default mergeConfig(config, { root, plugins: [plugin], test: { fsModuleCache: false } });
