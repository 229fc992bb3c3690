import type { Readable } from 'node:stream';
import { asOsaError, OsaError } from '@osa/core/error';
import type { Collector } from '@osa/core/telemetry/exporter';
import { Argument, CommanderError, InvalidArgumentError, Option, Command as Parser } from 'commander';
import type { Command, Context } from './command.ts';
import type { CommandEntry, CommandGroup } from './commands/entry.ts';
import { commands } from './commands/index.ts';
import { collectorOf } from './config/collector.ts';
import { displayOf, isCi, type Sources, wantsStacks } from './config/config.ts';
import { exitCodeOf } from './exit.ts';
import { commandHelp, grouped, groupHelp, helpRequest, meant, rootHelp } from './help.ts';
import { createClient } from './http/client.ts';
import { type CommandTrace, commandTrace } from './http/trace.ts';
import { createOutput, type Output, type OutputStream, type Streams } from './terminal/output.ts';
import { asciiOf } from './terminal/paint.ts';

export interface World {
  readonly streams: Streams;
  readonly sources: Sources;
  readonly signal: AbortSignal;
  readonly version: string;
  /** The file that was started. */
  readonly entry?: URL;
}

/** Runs one command line, without the program's own name, and gives the exit code. Never throws. */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const { streams, sources } = world;
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  const display = displayOf(sources.environment);
  const output = createOutput(streams, {
    json: options.includes('--json'),
    attended: !isCi(sources.environment),
    display,
  });
  const say = (stream: OutputStream) => (text: string) =>
    void stream.write(display.isAscii ? asciiOf(text) : text);
  const trace = (collector?: Collector) =>
    commandTrace({ collector, parent: sources.environment.TRACEPARENT, version: world.version });
  let told = trace();
  let code = 0;
  try {
    told = trace(collectorOf(sources));
    const program = buildProgram(
      { ...world, signal: interruptionBy(world.signal) },
      { output, say, trace: told },
      (result) => {
        code = result;
      },
    );
    const asked = helpRequest(argv);
    if ('topic' in asked) say(streams.stdout)(`${asked.topic}\n`);
    else if (asked.argv.length === 0) program.outputHelp();
    else await program.parseAsync(asked.argv, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = toError(thrown, argv);
    output.failure(error);
    if (wantsStacks(sources.environment) && thrown instanceof Error) {
      output.note(...stackLines(thrown));
    }
    code = exitCodeOf(error);
  }
  await told.end(commandName(argv), code);
  return code;
}

/** The same signal, whose reason is the error that an interrupted command ends with. */
function interruptionBy(signal: AbortSignal): AbortSignal {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new OsaError('interrupted', 'interrupted'));
  if (signal.aborted) interrupt();
  signal.addEventListener('abort', interrupt, { once: true });
  return interruption.signal;
}

/** The words that name the command; its arguments may be secret. */
function commandName(argv: readonly string[]): string {
  let entries: readonly (CommandEntry | CommandGroup)[] = commands;
  const words = ['osa'];
  for (const word of argv) {
    const entry = entries.find(({ name }) => name === word);
    if (entry === undefined) break;
    words.push(word);
    entries = 'commands' in entry ? entry.commands : [];
  }
  return words.join(' ');
}

interface Voice {
  readonly output: Output;
  readonly trace: CommandTrace;
  /** Writes text of the parser's own, such as help. */
  say(stream: OutputStream): (text: string) => void;
}

function buildProgram(world: World, { output, say, trace }: Voice, done: (code: number) => void): Parser {
  const { streams } = world;
  const program = new Parser('osa')
    .description('Deploy, release, roll back and trace the code behind every row of a scientific archive.')
    .usage('<command> [options]')
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .version(world.version, '-V, --version', 'print the version')
    .option('--json', 'print one JSON document on stdout and nothing else')
    .option('--server <url>', "server URL [default: OSA_SERVER, then the project's .osa/, then your config]")
    .exitOverride()
    .configureOutput({
      writeOut: say(streams.stdout),
      writeErr: say(streams.stderr),
      getOutHelpWidth: () => columnsOf(streams.stdout),
      getErrHelpWidth: () => columnsOf(streams.stderr),
      // The error is thrown too, and told there.
      outputError: () => undefined,
    });
  program.addHelpText('after', rootHelp());
  const context = contextOf(world, { output, trace }, program);
  const execute: Execute = (handler) => handler(context).then(done);
  for (const entry of commands) addEntry(program, entry, { execute, columns: columnsOf(streams.stdout) });
  return program;
}

/** The width of help: that of the terminal, within what is read with ease. */
function columnsOf({ isTTY, columns = 80 }: OutputStream): number {
  return isTTY === true ? Math.min(columns, 120) : 80;
}

type Execute = (handler: (context: Context) => Promise<number>) => Promise<void>;

interface Setting {
  readonly execute: Execute;
  readonly columns: number;
}

function addEntry(parent: Parser, entry: CommandEntry | CommandGroup, setting: Setting): void {
  const parser = parent.command(entry.name).summary(entry.summary).helpCommand(false);
  parser.helpOption('-h, --help', 'show this help');
  grouped(parser, entry);
  if ('commands' in entry) {
    parser.description(entry.summary).addHelpText('after', groupHelp(entry));
    for (const child of entry.commands) addEntry(parser, child, setting);
    return;
  }
  // Loaded where it is chosen: no command pays for the others.
  parent.hook('preSubcommand', async (_, chosen) => {
    if (chosen === parser) fill(parser, await entry.load(), setting);
  });
}

function fill(parser: Parser, command: Command, { execute, columns }: Setting): void {
  parser.description(command.description);
  const names = Object.keys(command.arguments ?? {});
  for (const [name, { description, optional, repeatable, fallback, parse }] of Object.entries(
    command.arguments ?? {},
  )) {
    const isOptional = optional === true || fallback !== undefined;
    const shown = repeatable ? `${name}...` : name;
    const argument = new Argument(isOptional ? `[${shown}]` : `<${shown}>`, description);
    if (parse) argument.argParser((text) => complaining(() => parse(text)));
    parser.addArgument(fallback === undefined ? argument : argument.default(fallback));
  }
  const options = Object.entries(command.options ?? {}).map(([key, definition]) => {
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const option = optionOf(name, definition);
    parser.addOption(option);
    return { key, option };
  });
  parser.addHelpText('after', commandHelp(command, columns));
  parser.action((...given: unknown[]) =>
    execute(async (context) => {
      const values = parser.opts<Record<string, unknown>>();
      const input = {
        arguments: Object.fromEntries(names.map((name, index) => [name, given[index]])),
        options: Object.fromEntries(
          options.map(({ key, option }) => [key, values[option.attributeName()] ?? flagDefault(option)]),
        ),
      };
      // The parser has built it from the very tables that its type follows from.
      return (await command.run(context, input as Parameters<typeof command.run>[1])) ?? 0;
    }),
  );
}

function optionOf(name: string, definition: NonNullable<Command['options']>[string]): Option {
  const { description, short } = definition;
  const letter = short === undefined ? '' : `-${short}, `;
  if (!('parse' in definition)) {
    return 'negated' in definition
      ? new Option(`--no-${name}`, description).default(true)
      : new Option(`${letter}--${name}`, description);
  }
  const parse = (text: string) => complaining(() => definition.parse(text));
  const option = new Option(`${letter}--${name} <${definition.value}>`, description);
  if (!definition.repeatable) return option.argParser(parse);
  return option.default([], 'none').argParser((text, before: unknown[]) => [...before, parse(text)]);
}

/** Turns a refusal of `parse` into the parser's complaint about the value, which names its option or argument. */
function complaining<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const known = asOsaError(error);
    throw known ? new InvalidArgumentError(known.message) : error;
  }
}

/** A flag that is not given is false; an option with a value that is not given is undefined. */
function flagDefault(option: Option): false | undefined {
  return option.required ? undefined : false;
}

function contextOf(
  { sources, signal, streams, entry, version }: World,
  { output, trace }: Pick<Voice, 'output' | 'trace'>,
  program: Parser,
): Context {
  return {
    sources,
    output,
    signal,
    stdin: streams.stdin as Readable,
    version,
    ...(entry && { entry }),
    client: () =>
      createClient({
        sources,
        signal,
        trace,
        server: program.opts<{ server?: string }>().server,
        note: (message) => output.note(message),
      }),
  };
}

/** A parser's complaint is `usage`; anything else that is not an OsaError is a bug. */
function toError(thrown: unknown, argv: readonly string[]): OsaError {
  if (thrown instanceof OsaError) return thrown;
  // Streams and timers that a signal ends say so in an error of their own.
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    const reason = asOsaError(thrown.cause);
    if (reason) return reason;
  }
  if (thrown instanceof CommanderError) {
    return new OsaError('usage', complaint(thrown, argv), { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new OsaError('internal', `${message} (this is a bug of osa; OSA_DEBUG=1 shows where)`, {
    cause: thrown,
  });
}

function complaint({ code, message }: CommanderError, argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith('-'));
  if (code === 'commander.help') {
    return `a command is missing; osa ${words[0] ?? ''} --help lists them`.replace('  ', ' ');
  }
  const [, unknown] = /^error: unknown command '(.*?)'/s.exec(message) ?? [];
  if (code === 'commander.unknownCommand' && unknown !== undefined) {
    const known = meant(unknown, words);
    const hint = known === undefined ? 'osa --help lists them' : `did you mean ${known}?`;
    return `unknown command "${unknown}"; ${hint}`;
  }
  return message.replace(/^error: /, '').replace(/\n\((Did you mean .*)\)$/, ' ($1)');
}

function stackLines(error: Error): string[] {
  const own = (error.stack ?? String(error)).split('\n');
  return error.cause instanceof Error ? [...own, 'caused by:', ...stackLines(error.cause)] : own;
}
