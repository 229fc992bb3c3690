import licenses from 'spdx-license-ids/index.json' with { type: 'json' };
import { jsonTypes } from '../../hook/hook.ts';
import { imageRule, isImage, splitImage } from '../../hook/image.ts';
import { suggest } from '../../suggest.ts';
import { type Path, pathText, valueAt } from '../../value-path.ts';
import { slugOf } from '../convention.ts';
import { isUrl, License } from '../license.ts';
import { type Finding, placeOf, quote } from './problems.ts';
import { constraintsOf } from './shape.ts';
import type { YamlTree } from './yaml.ts';

/**
 * The rules of `convention.yaml` that concern more than one value. They read the file with all its other flaws, so that
 * all problems are reported at once. The shape reports wrong types.
 */
export function ruleFindings(tree: YamlTree): Finding[] {
  const hooks = list(tree, ['hooks']);
  return [
    ...slugRule(tree),
    ...licenseRule(tree),
    ...twinRule(tree, ['schema', 'fields']),
    ...list(tree, ['schema', 'fields']).flatMap((path) => fieldRules(tree, path)),
    ...twinRule(tree, ['hooks']),
    ...hooks.flatMap((path) => [
      ...twinRule(tree, [...path, 'feature', 'columns']),
      ...list(tree, [...path, 'feature', 'columns']).flatMap((column) => formatRule(tree, column)),
      ...releaseRules(tree, [...path, 'release']),
    ]),
    ...imageRules(tree, ['ingester', 'release']),
    ...approvalRule(tree),
  ];
}

function slugRule(tree: YamlTree): Finding[] {
  const title = text(tree, ['title']);
  if (isSet(tree, ['slug']) || !title || slugOf(title) !== undefined) return [];
  const message = `${quote(title)} yields no slug (3 to 64 of a-z, 0-9 and -, a letter first); give one as slug`;
  return [{ path: ['title'], message }];
}

function approvalRule(tree: YamlTree): Finding[] {
  if (valueAt(tree.value, ['approve_own']) !== true || text(tree, ['curation']) === 'manual') return [];
  return [{ path: ['approve_own'], message: 'goes with curation: manual, where somebody approves' }];
}

/** Only here: an archive takes identifiers that are newer than its list. */
function licenseRule(tree: YamlTree): Finding[] {
  const license = text(tree, ['license']);
  if (license === undefined || !License.safeParse(license).success || isUrl(license)) return [];
  if (license.startsWith('LicenseRef-') || licenses.includes(license)) return [];
  const lower = license.toLowerCase();
  const near = licenses.find((known) => known.toLowerCase() === lower) ?? suggest(license, licenses);
  const next =
    near === undefined ? 'name one of spdx.org/licenses, or give an address' : `did you mean ${near}?`;
  return [{ path: ['license'], message: `${quote(license)} is not an identifier of SPDX; ${next}` }];
}

function twinRule(tree: YamlTree, path: Path): Finding[] {
  const seen = new Map<string, Path>();
  const twins: Finding[] = [];
  for (const element of list(tree, path)) {
    const namePath = [...element, 'name'];
    const name = text(tree, namePath);
    if (name === undefined) continue;
    const first = seen.get(name);
    if (first) {
      const { line, column } = placeOf(tree, first);
      const message = `${quote(name)} is already the name of ${pathText(first.slice(0, -1))} (at ${line}:${column})`;
      twins.push({ path: namePath, message });
    } else {
      seen.set(name, namePath);
    }
  }
  return twins;
}

function fieldRules(tree: YamlTree, path: Path): Finding[] {
  const type = text(tree, [...path, 'type']);
  if (type === undefined || !Object.hasOwn(constraintsOf, type)) return [];
  const allowed: readonly string[] = constraintsOf[type as keyof typeof constraintsOf];
  const constraints = keys(tree, [...path, 'constraints']);
  const known = new Set<string>(Object.values(constraintsOf).flat());
  const found: Finding[] = constraints
    .filter((key) => known.has(key) && !allowed.includes(key))
    .map((key) => ({
      path: [...path, 'constraints', key],
      at: 'key',
      message: `is not a constraint of a ${type} field (${constraintList(allowed)})`,
    }));
  return [...found, ...fieldTypeRule(tree, path, type), ...fieldUnitRule(tree, path, type)];
}

function constraintList(allowed: readonly string[]): string {
  return allowed.length === 0 ? 'it takes none' : `constraints: ${allowed.join(', ')}`;
}

function fieldTypeRule(tree: YamlTree, path: Path, type: string): Finding[] {
  const typePath = [...path, 'constraints', 'type'];
  const own = text(tree, typePath);
  if (own === undefined || own === type || !Object.hasOwn(constraintsOf, own)) return [];
  return [{ path: typePath, message: `${quote(own)} is not the field's own type, ${quote(type)}` }];
}

function fieldUnitRule(tree: YamlTree, path: Path, type: string): Finding[] {
  const unit = text(tree, [...path, 'unit']);
  if (unit === undefined) return [];
  if (type !== 'text' && type !== 'number') {
    return [
      {
        path: [...path, 'unit'],
        at: 'key',
        message: `is for number and text fields, this is ${quote(type)}`,
      },
    ];
  }
  const inner = text(tree, [...path, 'constraints', 'unit']);
  if (inner === undefined || inner === unit) return [];
  return [
    { path: [...path, 'unit'], message: `${quote(unit)} differs from constraints.unit, ${quote(inner)}` },
  ];
}

function formatRule(tree: YamlTree, path: Path): Finding[] {
  const type = text(tree, [...path, 'json_type']);
  if (type === 'string' || !jsonTypes.some((known) => known === type)) return [];
  if (!isSet(tree, [...path, 'format'])) return [];
  return [{ path: [...path, 'format'], message: `needs json_type "string", this is ${quote(type)}` }];
}

function releaseRules(tree: YamlTree, path: Path): Finding[] {
  if (!isMapping(valueAt(tree.value, path))) return [];
  const has = (key: string) => isSet(tree, [...path, key]);
  if (has('directory') && has('image')) {
    return [
      { path: [...path, 'image'], at: 'key', message: 'stands beside directory; a release has one of them' },
    ];
  }
  if (has('image')) return [...imageRules(tree, path), ...excluded(tree, path, 'command', 'directory')];
  if (!has('directory')) {
    return [{ path, message: 'names nothing to run (directory and command, or image and digest)' }];
  }
  return [...directoryRules(tree, path), ...excluded(tree, path, 'digest', 'image')];
}

function excluded(tree: YamlTree, path: Path, key: string, owner: string): Finding[] {
  if (!isSet(tree, [...path, key])) return [];
  return [{ path: [...path, key], at: 'key', message: `goes with ${owner} only` }];
}

function directoryRules(tree: YamlTree, path: Path): Finding[] {
  const found: Finding[] = [];
  const directory = text(tree, [...path, 'directory']);
  if (directory !== undefined && /^(?:[/\\~]|[a-z]:)/i.test(directory)) {
    const message = `${quote(directory)} must be relative to this file, such as ./hooks/name`;
    found.push({ path: [...path, 'directory'], message });
  }
  if (!isSet(tree, [...path, 'command'])) {
    found.push({
      path: [...path, 'command'],
      message: 'is missing (a list of arguments, such as [node, hook.mjs])',
    });
  }
  return found;
}

function imageRules(tree: YamlTree, path: Path): Finding[] {
  const image = text(tree, [...path, 'image']);
  if (!image) return [];
  const reference = splitImage(image);
  const { digest } = reference;
  const given = text(tree, [...path, 'digest']);
  if (!isImage(reference)) {
    return [{ path: [...path, 'image'], message: `${quote(image)} ${imageRule}` }];
  }
  if (digest === undefined && !isSet(tree, [...path, 'digest'])) {
    return [
      { path: [...path, 'digest'], message: 'is missing (code runs by digest, never by tag: sha256:…)' },
    ];
  }
  if (digest === undefined || given === undefined || given === digest) return [];
  return [{ path: [...path, 'digest'], message: `${quote(given)} differs from the digest in image` }];
}

/** The paths of a list's elements; none when it is not a list. */
function list(tree: YamlTree, path: Path): Path[] {
  const value = valueAt(tree.value, path);
  return Array.isArray(value) ? value.map((_, index) => [...path, index]) : [];
}

function keys(tree: YamlTree, path: Path): string[] {
  const value = valueAt(tree.value, path);
  return isMapping(value) ? Object.keys(value) : [];
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(tree: YamlTree, path: Path): string | undefined {
  const value = valueAt(tree.value, path);
  return typeof value === 'string' ? value : undefined;
}

function isSet(tree: YamlTree, path: Path): boolean {
  return (valueAt(tree.value, path) ?? null) !== null;
}
