import { OsaError } from '@osa/core/error';
import { excerpt } from '@osa/core/text';
import { type Path, valueAt } from '@osa/core/value-path';
import { missing } from './named-file.ts';
import {
  isSecret,
  issuerVariables,
  SettingsShape,
  type SettingValues,
  settingNames,
  variablesOf,
} from './settings.ts';
import { withoutUser } from './shapes.ts';
import { readSettingsFile, settingText } from './yaml-file.ts';

export interface Settings extends SettingValues {
  /** The source of a setting, for messages: `OSA_PORT`, or `osad.yaml: port`. */
  readonly nameOf: (path: Path) => string;
}

/**
 * Reads the settings of the environment and of the file; the environment wins. An empty variable counts as unset.
 *
 * @throws OsaError `usage` that names the setting by its source
 */
export function readSettings(environment: NodeJS.ProcessEnv, file = environment.OSA_CONFIG_FILE): Settings {
  const fromFile = file ? readSettingsFile(file, isSecret) : {};
  const fromEnvironment = Object.fromEntries(
    settingNames
      .filter((key) => key !== 'issuers' && environment[variableOf([key])])
      .map((key) => [key, environment[variableOf([key])]]),
  );
  const issuers = issuersOf(environment);
  const all = { ...fromFile, ...fromEnvironment, ...(issuers && { issuers }) };
  const nameOf = (path: Path): string => {
    const [key = ''] = path.map(String);
    const isVariable = Object.hasOwn(fromEnvironment, key) || (key === 'issuers' && issuers !== undefined);
    return isVariable || file === undefined ? variableOf(path) : `${file}: ${settingText(path)}`;
  };
  const parsed = SettingsShape.safeParse(all);
  if (parsed.success) return { ...parsed.data, nameOf };
  const [issue] = parsed.error.issues;
  const path =
    issue?.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : (issue?.path ?? []);
  const rule = issue?.code === 'unrecognized_keys' ? 'is not a setting' : (issue?.message ?? 'is not valid');
  throw wrongSetting(nameOf(path), isSecret(path) ? undefined : valueAt(all, path), rule);
}

/** The issuer of the environment, which replaces the list of the file. @throws OsaError `usage` */
function issuersOf(environment: NodeJS.ProcessEnv): unknown[] | undefined {
  const { OSA_ISSUER, OSA_AUDIENCE, OSA_PUBLIC_KEY, OSA_PUBLIC_KEY_FILE, OSA_ISSUER_SCOPES } = environment;
  if (!OSA_ISSUER && !OSA_PUBLIC_KEY && !OSA_PUBLIC_KEY_FILE) return undefined;
  if (!OSA_ISSUER) throw missing('OSA_ISSUER', 'the `iss` of the tokens that the public key verifies');
  if (!OSA_PUBLIC_KEY && !OSA_PUBLIC_KEY_FILE) {
    throw missing(
      'OSA_PUBLIC_KEY_FILE',
      'a file with the issuer’s public keys (or OSA_PUBLIC_KEY with their text)',
    );
  }
  return [
    {
      issuer: OSA_ISSUER,
      ...(OSA_AUDIENCE && { audience: OSA_AUDIENCE }),
      ...(OSA_PUBLIC_KEY && { public_key: OSA_PUBLIC_KEY }),
      ...(OSA_PUBLIC_KEY_FILE && { public_key_file: OSA_PUBLIC_KEY_FILE }),
      ...(OSA_ISSUER_SCOPES && { scopes: OSA_ISSUER_SCOPES.split(/[\s,]+/).filter(Boolean) }),
    },
  ];
}

/** The variable of a setting, or of a member of the issuer in the environment. */
function variableOf([key = '', , member]: Path): string {
  const members: Readonly<Record<string, string>> = issuerVariables;
  const [first = ''] = variablesOf(String(key));
  return (key === 'issuers' ? members[String(member)] : undefined) ?? first;
}

function wrongSetting(name: string, value: unknown, rule: string): OsaError {
  const shown =
    value === undefined ? '' : `${excerpt(typeof value === 'string' ? withoutUser(value) : value)}: `;
  return new OsaError('usage', `${name}: ${shown}${rule.replace(/^Invalid input: /, '')}`, { field: name });
}
