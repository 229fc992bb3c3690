import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { OsaError } from '@osa/core/error';
import { chosenEnvironment } from '@osa/core/system/environment';
import { systemCode } from '@osa/core/system/error';
import { execa } from 'execa';
import { defineCommand } from '../../command.ts';

const daemon = '@osa/daemon';

export const dev = defineCommand({
  description:
    'Starts `osad --dev` in this directory: the API, a worker and a PostgreSQL of its own, all below .osa/. ' +
    'It stops with Ctrl-C, and what is stored stays for the next start.\n\n' +
    `The server comes in a package of its own, ${daemon}. It is looked for in the project of this directory, then beside osa.`,
  examples: [
    ['npm install @osa/daemon && osa dev', 'install the server in this project and start it'],
    ['OSA_PORT=8480 osa dev', 'on another port; settings are those of osad'],
  ],
  json: 'nothing: the log of osad goes to stderr',
  async run({ sources, entry, signal }) {
    if (isSea()) {
      throw new OsaError(
        'usage',
        `this osa is a single file without Node, which the server needs; install Node 24 or later and run: npx ${daemon} --dev`,
      );
    }
    const program = await findDaemon([join(sources.cwd, 'package.json'), ...(entry ? [entry.href] : [])]);
    const ended = await execa(process.execPath, [program, '--dev'], {
      cwd: sources.cwd,
      // The settings of osad are variables OSA_*; those of osa, for a server elsewhere, are not among them.
      env: chosenEnvironment(
        sources.environment,
        /^(?!OSA_(?:KEY|KEY_FILE|TOKEN|SERVER|ISSUER|AUDIENCE|SUBJECT)$)/,
      ),
      extendEnv: false,
      stdio: 'inherit',
      reject: false,
      cancelSignal: signal,
      forceKillAfterDelay: false,
    });
    return ended.exitCode ?? (signal.aborted ? 130 : 1);
  },
});

/** @throws OsaError `usage` where the package is in none of the places */
async function findDaemon(places: readonly string[]): Promise<string> {
  for (const place of places) {
    try {
      const require = createRequire(place);
      const manifest = require.resolve(`${daemon}/package.json`);
      const { bin } = require(manifest) as { readonly bin: { readonly osad: string } };
      return join(dirname(manifest), bin.osad);
    } catch (error) {
      if (systemCode(error) !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new OsaError(
    'usage',
    `the server is not installed here; install it with: npm install ${daemon}, or start one elsewhere and give --server`,
  );
}
