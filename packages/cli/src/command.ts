import type { Readable } from 'node:stream';
import type { Sources } from './config/config.ts';
import type { Client } from './http/client.ts';
import type { Output } from './terminal/output.ts';

/** A command as data: what it takes, how it is explained, what it does. One file in `commands/` each. */
export interface Command<A extends ArgumentTable = ArgumentTable, O extends OptionTable = OptionTable> {
  /** A paragraph or two for `--help`. */
  readonly description: string;
  /** In the order in which they are given. */
  readonly arguments?: A;
  readonly options?: O;
  /** A command line and what it does; one at least. */
  readonly examples: readonly (readonly [command: string, does: string])[];
  /** The document that `--json` prints. */
  readonly json: string;
  /** Runs it; the number is an exit code other than 0 for what is not an error of the command. */
  run(context: Context, input: Input<A, O>): Promise<number | undefined>;
}

export interface Input<A extends ArgumentTable, O extends OptionTable> {
  readonly arguments: {
    readonly [K in keyof A]: A[K] extends { readonly repeatable: true }
      ? readonly string[]
      : A[K] extends { optional: true }
        ? string | undefined
        : string;
  };
  readonly options: { readonly [K in keyof O]: OptionInput<O[K]> };
}

type OptionInput<D> =
  D extends Parsed<infer T>
    ? D extends { readonly repeatable: true }
      ? readonly T[]
      : T | undefined
    : boolean;

export type ArgumentTable = Readonly<Record<string, Argument>>;

export interface Argument {
  readonly description: string;
  readonly optional?: true;
  /** The last argument, given once or several times. */
  readonly repeatable?: true;
  readonly fallback?: string;
  /** Throws OsaError `usage`; its message follows "value 'x' is invalid for argument 'id'". */
  parse?(text: string): string;
}

/** Keyed by the option's name in camel case: `batchSize` is `--batch-size`. */
export type OptionTable = Readonly<Record<string, Flag | Parsed<unknown>>>;

export interface Flag {
  readonly description: string;
  /** Its one-letter form. */
  readonly short?: string;
  /** The option is spelled `--no-<name>`, and the value is true without it. */
  readonly negated?: true;
}

export interface Parsed<T> {
  readonly description: string;
  /** Its one-letter form. */
  readonly short?: string;
  /** The name of the value in the help, such as `N`. */
  readonly value: string;
  /** The option may be given again and again; its values come as a list, empty when it is not given. */
  readonly repeatable?: true;
  /** Throws OsaError `usage`; its message follows "option '--limit <N>' argument 'x' is invalid". */
  parse(text: string): T;
}

/** The surroundings of a command. */
export interface Context {
  readonly sources: Sources;
  readonly output: Output;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly stdin: Readable;
  /** The version of osa. */
  readonly version: string;
  /** The file that was started, for threads of the program. */
  readonly entry?: URL;
  /** The client for the chosen server; throws when none is configured. */
  client(): Client;
}

/** Checks the types of a command and lets those of its input follow from its tables. */
export function defineCommand<
  const A extends ArgumentTable = Record<never, Argument>,
  const O extends OptionTable = Record<never, Flag>,
>(command: Command<A, O>): Command {
  return command as unknown as Command;
}
