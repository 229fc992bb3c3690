import type { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { render, Text, useInput } from 'ink';

export type Reply = 'yes' | 'no' | 'interrupted';

/**
 * Asks once, on stderr. Only `y` means yes. The question is free of control characters.
 *
 * @throws OsaError `interrupted`, for Ctrl-C too.
 */
export async function ask({
  question,
  signal,
  stdin,
  stderr = process.stderr,
}: {
  readonly question: string;
  readonly signal: AbortSignal;
  readonly stdin: Readable;
  readonly stderr?: NodeJS.WriteStream;
}): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const abort = () => resolve('interrupted');
  signal.addEventListener('abort', abort, { once: true });
  const app = render(<Ask question={question} onReply={resolve} />, {
    stdin: stdin as NodeJS.ReadStream,
    stdout: stderr,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const reply = await promise;
  signal.removeEventListener('abort', abort);
  app.unmount();
  await app.waitUntilExit();
  if (reply === 'interrupted') throw new OsaError('interrupted', 'interrupted; nothing was changed');
  return reply === 'yes';
}

export function Ask({
  question,
  onReply,
}: {
  readonly question: string;
  readonly onReply: (reply: Reply) => void;
}) {
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onReply('interrupted');
    else if (input.toLowerCase() === 'y') onReply('yes');
    else onReply('no');
  });
  return (
    <Text>
      {question} <Text dimColor>(y/N)</Text>
    </Text>
  );
}
