import { readYaml } from '@osa/core/convention/manifest/yaml';
import { OsaError } from '@osa/core/error';
import { type Path, pathText } from '@osa/core/value-path';
import { readText } from './named-file.ts';

/**
 * The settings of a YAML file. Messages name the place of a problem, and repeat its text only if it cannot be a secret.
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
    const shown = isSecret(flaw.path) ? unquoted : message;
    throw new OsaError('usage', `${path}:${place.line}:${place.column} ${settingText(flaw.path)}: ${shown}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OsaError('usage', `${path}: must hold settings, such as "port: 8470"`);
  }
  return Object.fromEntries(Object.entries(value).filter(([, setting]) => setting !== null));
}

const unquoted =
  'is ambiguous YAML (a repeated name, a tag, an alias, an open bracket or quote?); write texts in quotes';

/** `issuers[0].audience`. A text that cannot be a name is not shown, since it may be a misplaced secret. */
export function settingText(path: Path): string {
  const isName = path.every((step) => typeof step === 'number' || /^\w{1,60}$/.test(String(step)));
  return isName ? pathText(path) || 'the file' : 'a name';
}
