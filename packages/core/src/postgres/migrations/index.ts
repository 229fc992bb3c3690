import { readdirSync, readFileSync } from 'node:fs';

/**
 * The migrations, in order. The build replaces this module by one that holds their text, so that the daemon is
 * one file.
 */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

const directory = new URL('./', import.meta.url);

export const migrations: readonly Migration[] = readdirSync(directory)
  .filter((name) => /^\d{4}_.*\.sql$/.test(name))
  .sort()
  .map((name) => ({ name: name.replace('.sql', ''), sql: readFileSync(new URL(name, directory), 'utf8') }));

/** The rights of the application's role; applied after the migrations, every time. */
export const roles = readFileSync(new URL('roles.sql', directory), 'utf8');
