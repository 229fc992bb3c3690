import type { Readable } from 'node:stream';
import { OsaError } from '@osa/core/error';
import { visible } from '@osa/core/text';
import { render, Text, useInput } from 'ink';
import { useRef, useState } from 'react';

export type Reply = 'yes' | 'no' | 'interrupted';

/**
 * Asks once, on stderr, and reads a whole line: `y` and `yes` mean yes, in any case. The question is free of control
 * characters.
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
  const typed = useRef('');
  const [echo, setEcho] = useState('');
  useInput((input, key) => {
    if (key.ctrl && input === 'c') return onReply('interrupted');
    if (key.escape || (key.ctrl && input === 'd')) return onReply('no');
    typed.current = key.backspace || key.delete ? typed.current.slice(0, -1) : typed.current + input;
    // A paste, and what was typed ahead, come in one piece with their Enter.
    const [line = '', ...ended] = typed.current.split(/[\r\n]/);
    if (key.return || ended.length > 0) onReply(/^y(es)?$/i.test(line.trim()) ? 'yes' : 'no');
    else setEcho(line);
  });
  return (
    <Text>
      {question} <Text dimColor>(y/N)</Text> {visible(echo)}
    </Text>
  );
}
