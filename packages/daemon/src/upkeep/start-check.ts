import { asOsaError } from '@osa/core/error';
import { visible } from '@osa/core/text';
import { productionConfig } from '../config/config.ts';
import { readSettings } from '../config/read-settings.ts';
import type { Part } from '../config/settings.ts';
import { openPools } from '../pools.ts';
import { type Check, checkDaemon } from './checks.ts';

export interface StartCheck {
  readonly environment: NodeJS.ProcessEnv;
  readonly config: string | undefined;
  readonly part: Part | undefined;
  readonly version: string;
  readonly json: boolean;
}

/** `osad check`: what `osa doctor` shows of a server, before the daemon starts. It changes nothing. */
export async function checkStart(
  options: StartCheck,
): Promise<{ readonly text: string; readonly ok: boolean }> {
  const checks = await look(options);
  const ok = checks.every((check) => check.ok);
  return { ok, text: options.json ? `${JSON.stringify({ ok, checks }, undefined, 2)}\n` : toText(checks) };
}

async function look({ environment, config: file, part, version }: StartCheck): Promise<readonly Check[]> {
  await using stack = new AsyncDisposableStack();
  try {
    const settings = readSettings(environment, file);
    const own = { ...settings, part: part ?? settings.part };
    const config = await productionConfig({ version, settings: own, environment });
    return await checkDaemon(config, openPools(config, stack));
  } catch (error) {
    // A setting that cannot be read hides what is behind it.
    const known = asOsaError(error);
    if (known?.code !== 'usage' && known?.code !== 'credentials' && known?.code !== 'invalid') throw error;
    return [{ check: 'settings', ok: false, detail: known.message, hint: 'osad --help lists them' }];
  }
}

function toText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.flatMap((one) => [
    `${markOf(one)}  ${one.check.padEnd(width)}  ${visible(one.detail)}`,
    ...(one.ok || one.hint === null ? [] : [`${' '.repeat(width + 9)}${one.hint}`]),
  ]);
  return `${[...lines, `osad: ${verdictOf(checks)}`].join('\n')}\n`;
}

/** A check that could not be made is neither well nor wrong. */
function markOf({ ok, hint }: Check): string {
  if (ok) return 'ok   ';
  return hint === null ? '-    ' : 'wrong';
}

function verdictOf(checks: readonly Check[]): string {
  const open = checks.filter(({ ok }) => !ok);
  const wrong = open.filter(({ hint }) => hint !== null).length;
  const unseen = open.length - wrong;
  if (open.length === 0) return 'osad can start';
  const failed = `${wrong} of ${checks.length} checks failed`;
  return unseen === 0 ? failed : `${failed}, and ${unseen} could not be made`;
}
