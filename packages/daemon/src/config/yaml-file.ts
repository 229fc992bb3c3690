import { type Path, pathText, readYaml } from '@osa/core/convention/manifest/yaml';
import { OsaError } from '@osa/core/error';
import { readText } from './named-file.ts';

/**
 * The settings of a YAML file. What is wrong with it is told by its place; its text is repeated only where it cannot
 * be a secret.
 *
 * @throws OsaError `usage`
 */
export function readSettingsFile(
  path: string,
  isSecret: (path: Path) => boolean,
): Readonly<Record<string, unknown>> {
  const { value, flaws } = readYaml(readText(path, 'OSA_CONFIG_FILE (--config)'));
  const [flaw] = flaws;
  if (flaw) {
    const { place, message } = flaw;
    const told = isSecret(flaw.path) ? unquoted : message;
    throw new OsaError('usage', `${path}:${place.line}:${place.column} ${settingText(flaw.path)}: ${told}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OsaError('usage', `${path}: must hold settings, such as "port: 8470"`);
  }
  return Object.fromEntries(Object.entries(value).filter(([, setting]) => setting !== null));
}

const unquoted =
  'is not YAML that can be read in one way (a name twice, a tag, an alias, brackets or quotes without their end?); ' +
  'write texts in quotes';

/** `issuers[0].audience`; of a name that cannot be one, nothing, since a secret may have slipped into its place. */
export function settingText(path: Path): string {
  const isName = path.every((step) => typeof step === 'number' || /^\w{1,60}$/.test(String(step)));
  return isName ? pathText(path) || 'the file' : 'a name';
}
