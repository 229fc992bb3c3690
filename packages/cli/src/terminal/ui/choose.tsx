import type { Readable } from 'node:stream';
import { Select } from '@inkjs/ui';
import { OsaError } from '@osa/core/error';
import { Box, render, Text, useInput } from 'ink';

export interface Choice {
  /** Free of control characters. */
  readonly label: string;
  readonly value: string;
}

type Picked = { readonly value: string } | 'none' | 'interrupted';

/**
 * Lets a person pick one of `choices`, on stderr. Undefined when they leave with Escape or `q`.
 *
 * @throws OsaError `interrupted`, for Ctrl-C too.
 */
export async function choose({
  title,
  choices,
  signal,
  stdin,
  stderr = process.stderr,
}: {
  readonly title: string;
  readonly choices: readonly Choice[];
  readonly signal: AbortSignal;
  readonly stdin: Readable;
  readonly stderr?: NodeJS.WriteStream;
}): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<Picked>();
  const abort = () => resolve('interrupted');
  signal.addEventListener('abort', abort, { once: true });
  const app = render(<Choose title={title} choices={choices} onPick={resolve} />, {
    stdin: stdin as NodeJS.ReadStream,
    stdout: stderr,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const picked = await promise;
  signal.removeEventListener('abort', abort);
  app.unmount();
  await app.waitUntilExit();
  if (picked === 'interrupted') throw new OsaError('interrupted', 'interrupted; nothing was changed');
  return picked === 'none' ? undefined : picked.value;
}

export function Choose({
  title,
  choices,
  onPick,
}: {
  readonly title: string;
  readonly choices: readonly Choice[];
  readonly onPick: (picked: Picked) => void;
}) {
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onPick('interrupted');
    else if (key.escape || input === 'q') onPick('none');
  });
  return (
    <Box flexDirection="column">
      <Text>
        {title} <Text dimColor>(arrow keys, Enter; Esc to cancel)</Text>
      </Text>
      <Select
        options={[...choices]}
        visibleOptionCount={Math.min(10, choices.length)}
        onChange={(value) => onPick({ value })}
      />
    </Box>
  );
}
