/**
 * The environments of the programs that we start. Each is a list of names that the program needs: keys, tokens and
 * database URLs of ours never reach another program.
 */

/** For programs of the system, which may be in directories that an ordinary user's PATH leaves out. */
export const systemEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin',
  LC_ALL: 'C',
};

/** Those variables of `environment` whose name matches `needed`. */
export function chosenEnvironment(environment: NodeJS.ProcessEnv, needed: RegExp): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => needed.test(name)));
}
