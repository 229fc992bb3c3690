import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** The titles of tests name cases, and test/cases describes each of them once. */

const folder = dirname(fileURLToPath(import.meta.url));
const id = /(?<![\w-])(?:jwt-[a-z]+|sandbox|outdir|rows|logs|image|paths|ident|http|db)-\d{2}(?![\w-])/g;

test('each case that a title names is described once, and each that is described is named', () => {
  const described = texts('cases/*.md').flatMap((text) =>
    [...text.matchAll(/^- `([^`]+)`: ./gm)].map(([, name = '']) => name),
  );
  const named = new Set(texts('**/*.ts').flatMap((text) => withoutComments(text).match(id) ?? []));
  expect(described.sort()).toEqual([...named].sort());
});

function texts(pattern: string): string[] {
  return globSync(pattern, { cwd: folder }).map((path) => readFileSync(join(folder, path), 'utf8'));
}

function withoutComments(text: string): string {
  return text.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
}
