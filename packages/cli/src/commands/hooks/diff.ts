import { defineCommand } from '../../command.ts';
import { bold, line } from '../../terminal/paint.ts';
import { showRelease, versionArgument } from './move-pointer.ts';
import { compareReleases, comparisonLines } from './release-differences.ts';

export const hooksDiff = defineCommand({
  description:
    'Shows what two releases of a hook differ in: digest, command, config by key, limits, source, with a link that ' +
    'compares the commits where the host is known; and who built each, when, and how many rows it made.\n\n' +
    "The config may hold secrets: its keys are compared where the key's tokens may carry runs:read, its digests " +
    'elsewhere.',
  arguments: {
    hook: { description: "the hook's name" },
    a: { description: 'a version' },
    b: { description: 'the other version' },
  },
  examples: [['osa hooks diff seismic_energy 1 2', 'what v2 changed']],
  json: '{"hook_name", "from": {a release}, "to": {a release}, "differences": [{"path", "from", "to"}], "compare_url"}',
  async run({ client, output }, { arguments: { hook, a, b } }) {
    const [first, second] = [versionArgument('a', a), versionArgument('b', b)];
    const server = client();
    const [from, to] = await Promise.all([
      showRelease(server, hook, first),
      showRelease(server, hook, second),
    ]);
    output.result({ hook_name: hook, from, to, ...compareReleases(from, to) }, [
      line`${bold(hook)}`,
      ...comparisonLines(from, to),
    ]);
    return undefined;
  },
});
