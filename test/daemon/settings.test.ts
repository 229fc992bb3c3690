import { readFile } from 'node:fs/promises';
import { help, settingsDocument } from '@osa/daemon/config/help';
import { readSettings } from '@osa/daemon/config/read-settings';
import { defaultText, settingNames, settings, variablesOf } from '@osa/daemon/config/settings';
import { expect, test } from 'vitest';

/** The table of settings, and the texts that are made from it. */

test('docs/settings.md is what the table says; else run node scripts/generate-settings.ts', async () => {
  const committed = await readFile(new URL('../../docs/settings.md', import.meta.url), 'utf8');
  expect(committed).toBe(settingsDocument());
});

test.each(settingNames)('%s is in the help with its variables, its default and its meaning', (name) => {
  const words = help().replaceAll(/\s+/g, ' ');
  const { help: meaning } = settings[name as keyof typeof settings];
  expect(words).toContain(`${variablesOf(name).join(', ')} [${name}] (${defaultText(name)}) ${meaning}`);
});

test('no line of the help is wider than 120 characters', () => {
  expect(
    help()
      .split('\n')
      .filter((line) => line.length > 120),
  ).toEqual([]);
});

test.each(settingNames.filter((name) => !('unset' in settings[name as keyof typeof settings])))(
  'the default of %s is the one that an empty environment gets',
  (name) => {
    const value = readSettings({})[name as keyof typeof settings];
    expect(value === undefined || String(value) === '' ? 'none' : String(value)).toBe(defaultText(name));
  },
);
