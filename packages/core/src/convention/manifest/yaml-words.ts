/** The YAML parser's message in the words of people who write YAML. */
export function plainWords(message: string): string {
  return known.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

const known: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/^Implicit (map )?keys need to be/, 'a line without a colon and a space; write it as key: value'],
  [/^Tabs are not allowed/, 'a tab is used as indentation; indent with spaces'],
  [/end with a [\]}]/, 'a bracket is not closed, or its content is not indented'],
  [/^Missing closing /, 'a quote is not closed'],
  [/must start at the same column$/, 'this line is not indented as the others of its mapping or list'],
];
