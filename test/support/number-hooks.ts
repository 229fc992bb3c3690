/** Hooks that copy each record's `list` into their rows, beside what they read. */

const columns = [
  { name: 'seen', json_type: 'string', required: true },
  { name: 'config', json_type: 'string', required: true },
  { name: 'exact', json_type: 'array', required: true },
  { name: 'naive', json_type: 'object', required: true },
];

export const copyHooks = {
  in_javascript: {
    file: 'hook.mjs',
    command: [process.execPath, 'hook.mjs'],
    columns: [
      ...columns,
      { name: 'double', json_type: 'number', required: true },
      { name: 'integer', json_type: 'integer', required: false },
    ],
    code: `import { readFileSync, writeFileSync } from 'node:fs';
const digits = (_, value, { source }) => (typeof value === 'number' ? JSON.rawJSON(source) : value);
const config = readFileSync(process.env.OSA_IN + '/config.json', 'utf8');
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const out = lines.map((seen) => {
  const { id, metadata } = JSON.parse(seen);
  const exact = JSON.parse(seen, digits).metadata.list;
  const text = exact[0].rawJSON;
  const isInteger = /^-?\\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
  const row = { seen, config, exact, naive: { list: metadata.list }, double: metadata.list[0] };
  return JSON.stringify({ id, features: [isInteger ? { ...row, integer: exact[0] } : row] });
});
writeFileSync(process.env.OSA_OUT + '/features.jsonl', out.map((line) => line + '\\n').join(''));
`,
  },
  in_python: {
    file: 'hook.py',
    command: ['python3', 'hook.py'],
    columns,
    code: `import json, os, re
mark = lambda text: '#' + text
config = open(os.environ['OSA_IN'] + '/config.json').read()
with open(os.environ['OSA_OUT'] + '/features.jsonl', 'w') as out:
    for seen in open(os.environ['OSA_IN'] + '/records.jsonl'):
        seen = seen.rstrip('\\n')
        record = json.loads(seen)
        exact = json.loads(seen, parse_int=mark, parse_float=mark)['metadata']['list']
        exact = re.sub('"#([^"]*)"', '\\\\1', json.dumps(exact))
        row = {'seen': seen, 'config': config, 'exact': 0, 'naive': {'list': record['metadata']['list']}}
        line = json.dumps({'id': record['id'], 'features': [row]})
        out.write(line.replace('"exact": 0', '"exact": ' + exact) + '\\n')
`,
  },
} as const;
