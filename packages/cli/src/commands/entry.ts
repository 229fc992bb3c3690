import type { Command } from '../command.ts';

type Heading = 'Start' | 'Look' | 'Operate' | 'Access';

export interface CommandEntry {
  /** Its heading on the first screen; commands of a group have none. */
  readonly group?: Heading;
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

export interface CommandGroup {
  readonly group?: Heading;
  readonly name: string;
  readonly summary: string;
  readonly example: readonly [command: string, does: string];
  readonly commands: readonly (CommandEntry | CommandGroup)[];
}
