import type { Body } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { type Context, defineCommand } from '../../command.ts';
import { replayExits, waitExits } from '../../exit.ts';
import type { Client } from '../../http/client.ts';
import { integer, milliseconds, releaseVersion, storedId, text } from '../../terminal/parse.ts';
import { fullId } from '../full-id.ts';
import { followReplay, isOpen } from './follow.ts';
import { mostNamed, type Replay, replayLines } from './lines.ts';

const waitOptions = {
  wait: { negated: true, description: 'return as soon as the replay is stored' },
  timeout: {
    value: 'TIME',
    description: 'wait no longer than this, such as 90s, 15m or 2h; the replay goes on',
    parse: milliseconds,
  },
} as const;

export const replayCommand = defineCommand({
  description:
    'Computes rows once more by the release of their own run, over the record version that they are of, and compares ' +
    'every value bit for bit. Nothing that readers see changes. The server keeps a certificate of each verdict, which ' +
    '`osa trace` shows: identical, differs (with columns and values), or cannot (with the reason, such as an image ' +
    'that is gone).\n\n' +
    'Name rows, a whole run with --run, or draw results with --sample. A result is what a run made of one record, with ' +
    'all its rows. The bytes of the output of a whole run are compared as well.\n\n' +
    `Exit code 0: all are identical. ${replayExits.differs}: something differs. ${replayExits.cannot}: nothing differs, and something cannot be replayed. ` +
    `${waitExits.timeout}: the time of --timeout is over.`,
  arguments: {
    what: {
      description: 'rows as <hook>/<id>; with --sample, the name of a hook',
      optional: true,
      repeatable: true,
    },
  },
  options: {
    run: { value: 'ID', description: 'a whole run', parse: storedId },
    sample: {
      value: 'K',
      description: `draw this many results, 1 to ${bounds.replayedResults}, of the hook or of all hooks`,
      parse: integer(1, bounds.replayedResults),
    },
    release: { value: 'N', description: 'with --sample: of this release of the hook', parse: releaseVersion },
    seed: {
      value: 'TEXT',
      description: 'with --sample: draw the same results again (default: others each time)',
      parse: text(200),
    },
    reason: { value: 'TEXT', description: 'why, kept with the replay', parse: text(bounds.reasonLength) },
    ...waitOptions,
  },
  examples: [
    ['osa replay seismic_energy/17 seismic_energy/18', 'two rows'],
    ['osa replay --run 0198c0de-…', 'a whole run, and its output'],
    ['osa replay seismic_energy --release 2 --sample 200', '200 results of one release'],
    ['osa replay --sample 20 --json', 'a nightly job: 20 results of the whole archive'],
  ],
  json: '{"id", "kind", "status", "results", "identical", "differs", "cannot", "output", "seed", "releases": [{"hook_name", "version", "results", …}], "not_identical": [{"rows", "record_srn", "verdict", "reason", "columns", "examples": [{"row", "column", "stored", "made"}], "engine", "architecture", …}], …}',
  async run(context, { arguments: { what }, options }) {
    const client = context.client();
    const { wait, timeout, ...asked } = options;
    const body = await bodyOf(client, what ?? [], asked);
    const begun = await client.call('replay', { body, ...scopeOf(body) });
    if (!wait) {
      context.output.result({ ...begun, not_identical: [] }, replayLines(begun, []));
      return undefined;
    }
    return conclude(
      context,
      client,
      await followReplay(context, client, { id: begun.id, timeoutMs: timeout }),
    );
  },
});

interface Asked {
  readonly run: string | undefined;
  readonly sample: number | undefined;
  readonly release: number | undefined;
  readonly seed: string | undefined;
  readonly reason: string | undefined;
}

/** @throws OsaError `usage` for what does not go together */
async function bodyOf(client: Client, what: readonly string[], asked: Asked): Promise<Body<'replay'>> {
  const { run, sample, release, seed, reason } = asked;
  const why = reason === undefined ? {} : { reason };
  const ways = [
    sample === undefined && what.length > 0 && 'rows',
    run !== undefined && '--run',
    sample !== undefined && '--sample',
  ];
  const given = ways.filter((way) => way !== false);
  if (given.length !== 1) {
    const said = given.length === 0 ? 'none of them is given' : `${given.join(' and ')} are given`;
    throw usage('what', `name rows, or give --run or --sample: ${said}`);
  }
  if (sample === undefined) {
    for (const [field, value] of Object.entries({ release, seed })) {
      if (value !== undefined) throw usage(field, `--${field} narrows a sample; give --sample, too`);
    }
    if (run !== undefined) return { run: await fullId(client, 'run', run), ...why };
    const hook = what.find((name) => !name.includes('/'));
    if (hook !== undefined) {
      throw usage(
        'what',
        `${hook} is not a row, such as ${hook}/17; for rows of a hook that are drawn, give --sample`,
      );
    }
    return { rows: [...what], ...why };
  }
  const [hook, ...others] = what;
  if (others.length > 0 || hook?.includes('/')) {
    throw usage('what', '--sample draws from one hook or from all; leave the other names out');
  }
  if (release !== undefined && hook === undefined) {
    throw usage(
      'release',
      `--release ${release}: name the hook, as in osa replay seismic_energy --release ${release} --sample ${sample}`,
    );
  }
  return {
    sample,
    ...(hook !== undefined && { hook }),
    ...(release !== undefined && { version: release }),
    ...(seed !== undefined && { seed }),
    ...why,
  };
}

function usage(field: string, message: string): OsaError {
  return new OsaError('usage', message, { field });
}

/** A token for one hook, where that is enough. */
function scopeOf({ rows = [], hook }: Body<'replay'>): { readonly scope?: string } {
  const hooks = new Set(hook === undefined ? rows.map((name) => name.split('/')[0]) : [hook]);
  const [only] = hooks;
  return hooks.size === 1 && only !== undefined ? { scope: `replays:write:${only}` } : {};
}

/** Shows how a replay ended; the number is the exit code. */
async function conclude({ output }: Context, client: Client, replay: Replay): Promise<number | undefined> {
  const { items } = await client.call('listCertificates', {
    params: { id: replay.id },
    query: { verdict: 'not_identical', limit: mostNamed },
  });
  output.result({ ...replay, not_identical: items }, replayLines(replay, items));
  if (isOpen(replay)) {
    output.note('the time to wait is over, and the replay goes on');
    return waitExits.timeout;
  }
  if (replay.differs > 0 || replay.output === 'differs') return replayExits.differs;
  if (replay.status === 'cancelled') return 1;
  const isWhole = replay.status === 'done' && replay.cannot === 0 && replay.output !== 'cannot';
  return isWhole ? undefined : replayExits.cannot;
}
