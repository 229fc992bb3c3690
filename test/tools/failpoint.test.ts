import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failpoint, failpoints, holdAtFailpoints } from '@osa/core/failpoint';
import { expect, test } from 'vitest';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function builtFiles(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath, entry.name));
}

test.each(['packages/daemon/dist', 'packages/cli/dist'])(
  'what is built in %s has no failpoints',
  (directory) => {
    const files = builtFiles(directory);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      const found = [...failpoints, 'OSA_FAILPOINT_SOCKET', 'osa.failpoint'].filter((name) =>
        text.includes(name),
      );
      expect(found, file).toEqual([]);
    }
  },
);

/** Where the source names a point. */
function uses(): string[] {
  return readdirSync(join(root, 'packages'), { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'),
    )
    .flatMap((entry) => {
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
      return [...text.matchAll(/\bfailpoint\('([^']+)'\)/g)].map(([, point = '']) => point);
    });
}

test('every point is in the source once', () => {
  expect(uses().toSorted()).toEqual(failpoints.toSorted());
});

test('a failpoint is nothing until somebody holds, and then waits for them', async () => {
  expect(failpoint('claim.before')).toBeUndefined();
  const reached: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  holdAtFailpoints(async (point) => {
    reached.push(point);
    await promise;
  });
  let passed = false;
  const passing = failpoint('claim.mid')?.then(() => {
    passed = true;
  });
  await Promise.resolve();
  expect({ reached, passed }).toEqual({ reached: ['claim.mid'], passed: false });
  resolve();
  await passing;
  expect(passed).toBe(true);
});
