import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { completions } from './complete.ts';
import { shells } from './scripts.ts';

export const completion = defineCommand({
  description:
    'Prints the script that completes osa in bash, zsh or fish: commands, options, and the names of hooks, conventions and ' +
    'releases that the server knows. Names are asked for as you type; a server that does not answer within a second is left out.',
  arguments: {
    shell: { description: 'bash, zsh or fish' },
    words: { description: 'used by the scripts: the words so far', optional: true, repeatable: true },
  },
  examples: [
    ['source <(osa completion bash)', 'in ~/.bashrc'],
    ['source <(osa completion zsh)', 'in ~/.zshrc, after compinit'],
    ['osa completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  json: 'nothing: it prints the script',
  async run(context, { arguments: { shell, words } }) {
    if (shell === 'words') {
      const found = await completions(context, words ?? []);
      context.output.result(found, [...found]);
      return undefined;
    }
    const script = Object.hasOwn(shells, shell) ? shells[shell as keyof typeof shells] : undefined;
    if (script === undefined) {
      throw new OsaError('usage', `shell: "${shell}" is not one of ${Object.keys(shells).join(', ')}`, {
        field: 'shell',
      });
    }
    context.output.result({ shell, script }, script.split('\n'));
    return undefined;
  },
});
