import { ProgressBar, Spinner } from '@inkjs/ui';
import { Box, type Instance, render, Text } from 'ink';

/** The view of an ingestion's progress; all texts are free of control characters. */
export interface ProgressView {
  readonly title: string;
  readonly isRunning: boolean;
  /** 0 to 1, or undefined while nobody knows. */
  readonly share: number | undefined;
  readonly counts: readonly (readonly [name: string, count: string, isBad: boolean])[];
  readonly notes: readonly string[];
}

export interface ProgressScreen {
  show(view: ProgressView): void;
  /** Takes the view off the screen; what comes after it says how things ended. */
  end(): Promise<void>;
}

export function openProgress(
  first: ProgressView,
  stderr: NodeJS.WriteStream = process.stderr,
): ProgressScreen {
  const app: Instance = render(<IngestProgress {...first} />, {
    stdout: stderr,
    exitOnCtrlC: false,
    patchConsole: false,
    maxFps: 10,
  });
  return {
    show: (view) => app.rerender(<IngestProgress {...view} />),
    end: async () => {
      app.rerender(<Text />);
      app.unmount();
      await app.waitUntilExit();
    },
  };
}

export function IngestProgress({ title, isRunning, share, counts, notes }: ProgressView) {
  return (
    <Box flexDirection="column">
      {isRunning ? <Spinner label={title} /> : <Text>{title}</Text>}
      {share === undefined ? null : (
        <Box width={40}>
          <ProgressBar value={Math.round(share * 100)} />
        </Box>
      )}
      <Text>
        {counts.map(([name, count, isBad], index) => (
          <Text key={name}>
            {index === 0 ? '' : '   '}
            <Text dimColor>{name}</Text> {isBad ? <Text color="red">{count}</Text> : <Text>{count}</Text>}
          </Text>
        ))}
      </Text>
      {notes.map((note) => (
        <Text key={note} color="yellow">
          {note}
        </Text>
      ))}
    </Box>
  );
}
