import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scratch } from '../database/database.ts';
import { podmanPath, podmanRunner } from './images.ts';

/** A program in the place of podman: a line of shell, and then the real one, `$real`; `$asked` is a file to make. */
export async function standIn(script: string) {
  const place = await scratch();
  const [path, asked, log] = ['podman', 'asked', 'log'].map((name) => join(place.path, name)) as [
    string,
    string,
    string,
  ];
  const lines = [
    '#!/bin/sh',
    `real='${await podmanPath()}' asked='${asked}'`,
    `echo "$@" >> '${log}'`,
    script,
  ];
  await writeFile(path, `${lines.join('\n')}\nexec $real "$@"\n`, { mode: 0o755 });
  return {
    runner: podmanRunner(5_000, { PATH: `${place.path}:${process.env.PATH}` }),
    asked,
    /** The commands of its calls, one a line. */
    commands: () => readFileSync(log, 'utf8'),
    count: (command: RegExp) =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => command.test(line)).length,
    [Symbol.asyncDispose]: () => place.dispose(),
  };
}
