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

test.each(['OTEL_EXPORTER_OTLP_ENDPOINT', 'OSA_OPENLINEAGE_URL', 'OSA_PUBLIC_URL', 'OSA_OIDC_ISSUER'])(
  '%s with a password is refused, and the message does not hold it',
  (variable) => {
    expect(() => readSettings({ [variable]: 'https://archive.example.org/v1' })).not.toThrow();
    for (const url of ['https://ada:s3cret@archive.example.org/v1', 'ftp://s3cret@archive.example.org']) {
      const refused = expect.objectContaining({
        field: variable,
        message: expect.not.stringContaining('s3cret'),
      });
      expect(() => readSettings({ [variable]: url })).toThrow(refused);
    }
  },
);
