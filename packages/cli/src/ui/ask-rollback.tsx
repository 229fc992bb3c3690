import type { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { Box, render, Text, useInput } from 'ink';

export interface RollbackQuestion {
  readonly hook: string;
  readonly from: Side;
  readonly to: Side;
}

/** One end of the move. All texts are free of control characters. */
export interface Side {
  readonly version: string;
  readonly built: string;
  readonly source: string;
}

export type RollbackAnswer = 'yes' | 'no' | 'interrupted';

/**
 * Shows the move and asks once, on stderr. Only `y` means yes.
 *
 * @throws OsaError `interrupted`, for Ctrl-C too.
 */
export async function askRollback({
  signal,
  stdin,
  stderr = process.stderr,
  ...question
}: RollbackQuestion & {
  readonly signal: AbortSignal;
  readonly stdin: Readable;
  readonly stderr?: NodeJS.WriteStream;
}): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<RollbackAnswer>();
  const abort = () => resolve('interrupted');
  signal.addEventListener('abort', abort, { once: true });
  const app = render(<AskRollback {...question} onAnswer={resolve} />, {
    stdin: stdin as NodeJS.ReadStream,
    stdout: stderr,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const answer = await promise;
  signal.removeEventListener('abort', abort);
  app.unmount();
  await app.waitUntilExit();
  if (answer === 'interrupted') throw new OsaError('interrupted', 'interrupted; nothing was changed');
  return answer === 'yes';
}

export function AskRollback({
  hook,
  from,
  to,
  onAnswer,
}: RollbackQuestion & { readonly onAnswer: (answer: RollbackAnswer) => void }) {
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onAnswer('interrupted');
    else if (input.toLowerCase() === 'y') onAnswer('yes');
    else onAnswer('no');
  });
  return (
    <Box flexDirection="column">
      <Text bold>{hook}</Text>
      <Row label="from" side={from} color="yellow" />
      <Row label="to" side={to} color="green" />
      <Text>
        Roll back? <Text dimColor>(y/N)</Text>
      </Text>
    </Box>
  );
}

function Row({
  label,
  side,
  color,
}: {
  readonly label: string;
  readonly side: Side;
  readonly color: string;
}) {
  return (
    <Text>
      {'  '}
      <Text dimColor>{label.padEnd(4)}</Text> <Text color={color}>{side.version.padEnd(4)}</Text> {side.built}{' '}
      <Text dimColor>{side.source}</Text>
    </Text>
  );
}
