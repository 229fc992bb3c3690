import type { Readable } from 'node:stream';
import { asOsaError, OsaError } from '@osa/core/error';
import { Argument, CommanderError, InvalidArgumentError, Option, Command as Parser } from 'commander';
import type { Command, Context } from './command.ts';
import { type CommandEntry, type CommandGroup, commands } from './commands/index.ts';
import { allowsColours, isCi, type Sources, wantsStacks } from './config/config.ts';
import { exitCodeHelp, exitCodeOf } from './exit.ts';
import { createClient } from './http/client.ts';
import { createOutput, type Output, type Streams } from './terminal/output.ts';

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
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined);
  const output = createOutput(world.streams, {
    json: options.includes('--json'),
    colours: allowsColours(world.sources.environment),
    attended: !isCi(world.sources.environment),
  });
  let code = 0;
  const program = buildProgram(world, output, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(spelled(argv), { from: 'user' });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = toError(thrown);
    output.failure(error);
    if (wantsStacks(world.sources.environment) && thrown instanceof Error) {
      output.note(...stackLines(thrown));
    }
    return exitCodeOf(error);
  }
}

/** `osa help deploy` is `osa deploy --help`. */
function spelled(argv: readonly string[]): string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv];
}

function buildProgram(world: World, output: Output, done: (code: number) => void): Parser {
  const { streams } = world;
  const program = new Parser('osa')
    .description(
      'Deploys, releases, rolls back and traces the code behind every row of a scientific archive.',
    )
    .helpCommand(false)
    .helpOption('-h, --help', 'explain the command')
    .version(world.version, '-V, --version', 'print the version')
    .option('--json', 'print one JSON document on stdout and nothing else')
    .option(
      '--server <url>',
      'the server (else OSA_SERVER, .osa/daemon.json, .osa/config.json, your config.json)',
    )
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
      // The error is thrown too, and told there.
      outputError: () => undefined,
    });
  program.addHelpText('after', rootHelp());
  const context = contextOf(world, output, program);
  for (const entry of commands) addEntry(program, entry, (input) => input(context).then(done));
  return program;
}

type Start = (handler: (context: Context) => Promise<number>) => Promise<void>;

function addEntry(parent: Parser, entry: CommandEntry | CommandGroup, start: Start): void {
  const parser = parent.command(entry.name).summary(entry.summary).helpCommand(false);
  parser.helpOption('-h, --help', 'explain the command');
  if ('commands' in entry) {
    parser.description(entry.summary).addHelpText('after', groupHelp(entry));
    for (const child of entry.commands) addEntry(parser, child, start);
    return;
  }
  // Loaded where it is chosen: no command pays for the others.
  parent.hook('preSubcommand', async (_, chosen) => {
    if (chosen === parser) fill(parser, await entry.load(), start);
  });
}

function fill(parser: Parser, command: Command, start: Start): void {
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
  parser.addHelpText('after', commandHelp(command));
  parser.action((...given: unknown[]) =>
    start(async (context) => {
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
  if (!('parse' in definition)) {
    return 'negated' in definition
      ? new Option(`--no-${name}`, definition.description).default(true)
      : new Option(`${definition.short ? `-${definition.short}, ` : ''}--${name}`, definition.description);
  }
  const parse = (text: string) => complaining(() => definition.parse(text));
  const option = new Option(`--${name} <${definition.value}>`, definition.description);
  if (!definition.repeatable) return option.argParser(parse);
  return option.default([], 'none').argParser((text, before: unknown[]) => [...before, parse(text)]);
}

/** What `parse` refuses, as the parser's complaint about the value, which names its option or argument. */
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

function contextOf({ sources, signal, streams, entry }: World, output: Output, program: Parser): Context {
  return {
    sources,
    output,
    signal,
    stdin: streams.stdin as Readable,
    ...(entry && { entry }),
    client: () =>
      createClient({
        sources,
        signal,
        server: program.opts<{ server?: string }>().server,
        note: (message) => output.note(message),
      }),
  };
}

function rootHelp(): string {
  return `
Examples:
  osa init && osa deploy                   start a dataset and deploy it
  osa ingest my-dataset records.ndjson     take records in and run the hooks over them
  osa trace seismic_energy/17              which code made this row, from which record
  osa hooks rollback seismic_energy        go back to the release that was live before

Environment:
  OSA_SERVER                               the server's URL
  OSA_KEY or OSA_KEY_FILE                  the private key that signs tokens, as PEM or JWK: its text, or its file
  OSA_ISSUER, OSA_AUDIENCE, OSA_SUBJECT    who signs, for which server, in whose name
  OSA_TOKEN                                a token from elsewhere, to be sent instead of one that a key signs; like
                                           the others, never to a server that only .osa/ of a project names
  OSA_ENGINE_OPTIONS                       options of podman or docker for hooks test, apart by spaces
  NO_COLOR                                 no colours
  OSA_DEBUG                                errors with their stack and causes

With --json an error is a document too:
  {"error": {"code", "message", "field": the input that it is about, or null, "details": {facts for programs}}}

${exitHelp()}`;
}

function groupHelp({ example: [command, does] }: CommandGroup): string {
  return `\nExample:\n  ${command}   ${does}\n\n${exitHelp()}`;
}

function commandHelp({ examples, json }: Command): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const shown = examples.map(([command, does]) => `  ${command.padEnd(width)}   ${does}`);
  return `\nExamples:\n${shown.join('\n')}\n\nWith --json:\n  ${json.replaceAll('\n', '\n  ')}\n\n${exitHelp()}`;
}

function exitHelp(): string {
  return `Exit codes:\n${exitCodeHelp.map(([code, meaning]) => `  ${String(code).padEnd(3)} ${meaning}`).join('\n')}`;
}

/** A parser's complaint is `usage`; what is not an OsaError is a bug, and told as one. */
function toError(thrown: unknown): OsaError {
  if (thrown instanceof OsaError) return thrown;
  if (thrown instanceof CommanderError) {
    const message =
      thrown.code === 'commander.help'
        ? 'a command is missing; --help lists them'
        : thrown.message.replace(/^error: /, '').replace(/\n\((Did you mean .*)\)$/, ' ($1)');
    return new OsaError('usage', message, { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new OsaError('internal', `${message} (this is a bug of osa; OSA_DEBUG=1 shows where)`, {
    cause: thrown,
  });
}

function stackLines(error: Error): string[] {
  const own = (error.stack ?? String(error)).split('\n');
  return error.cause instanceof Error ? [...own, 'caused by:', ...stackLines(error.cause)] : own;
}
