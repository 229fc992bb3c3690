import { defineCommand } from '../../command.ts';
import { bold, line } from '../../terminal/paint.ts';
import { showRelease, versionArgument } from './move-pointer.ts';
import { compareReleases, comparisonLines } from './release-differences.ts';

export const hooksDiff = defineCommand({
  description:
    'Compares two releases of a hook: digest, command, config by key, limits and source. Also shows who ' +
    'built each one, when, and how many rows it made. Where the host of the code is known, a link ' +
    'compares the commits.\n\n' +
    "The config may hold secrets. Its keys are compared if your key's tokens may carry runs:read; without " +
    'it, only its digests are.',
  arguments: {
    hook: { description: "the hook's name" },
    a: { description: 'a version, such as 1 or v1' },
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
