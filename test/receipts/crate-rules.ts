/**
 * The rules that an RO-Crate 1.1 and a Process Run Crate must keep, by the published shapes. The shapes find their nodes by
 * SPARQL and by rules that add triples, so each is written out here by its name.
 */

interface Entity {
  readonly '@id': string;
  readonly [property: string]: unknown;
}

const specification = 'https://w3id.org/ro/crate/1.1';
const profile = /^https:\/\/w3id\.org\/ro\/wfrun\/process\/./;
const isoDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;
/** The form of times in the shape of actions. */
const actionTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{3})?\+\d{2}:\d{2})?$/;

/** The names of the rules that a crate breaks, each with the entity; none if it keeps all. */
export function brokenRules(crate: { readonly '@graph': readonly Entity[] }): string[] {
  const graph = crate['@graph'];
  const broken: string[] = [];
  const must = (holds: boolean, rule: string, entity?: Entity) => {
    if (!holds) broken.push(entity === undefined ? rule : `${rule}: ${entity['@id']}`);
  };
  const refs = (value: unknown): Entity[] =>
    list(value).flatMap((one) => graph.filter((entity) => entity['@id'] === idOf(one)));
  const isA = (entity: Entity, ...types: string[]) =>
    list(entity['@type']).some((type) => types.includes(String(type)));

  const ids = graph.map((entity) => entity['@id']);
  must(new Set(ids).size === ids.length, 'each entity is there once');
  const descriptor = graph.find((entity) => entity['@id'] === 'ro-crate-metadata.json');
  must(descriptor !== undefined && isA(descriptor, 'CreativeWork'), 'Metadata File Descriptor entity type');
  must(
    list(descriptor?.conformsTo).some((one) => idOf(one) === specification),
    'Metadata File Descriptor entity: `conformsTo` property',
  );
  const [root] = refs(descriptor?.about);
  if (root === undefined) return [...broken, 'Metadata File Descriptor entity: `about` property'];
  must(isA(root, 'Dataset'), 'Root Data Entity type');
  must(root['@id'].endsWith('/'), 'Root Data Entity URI value');
  must(isText(root.name), 'Root Data Entity: `name` property');
  must(isText(root.description), 'Root Data Entity: `description` property');
  must(isoDate.test(String(root.datePublished)), 'Root Data Entity: `datePublished` property');
  const licenses = list(root.license);
  must(
    licenses.length > 0 && licenses.every((one) => typeof one === 'string' || refs(one).length === 1),
    'Root Data Entity: `license` property',
  );
  must(
    refs(root.conformsTo).some((entity) => profile.test(entity['@id']) && isA(entity, 'CreativeWork')),
    'Root Data Entity conformsTo',
  );
  const parts = list(root.hasPart).map(idOf);
  for (const entity of graph) {
    const isData = entity !== root && isA(entity, 'File', 'Dataset') && !entity['@id'].startsWith('#');
    if (isData) must(parts.includes(entity['@id']), 'Data Entity MUST be directly referenced', entity);
    if (isA(entity, 'CreateAction')) checkAction(entity);
    if (isA(entity, 'SoftwareApplication')) {
      must(isText(entity.name) && isText(entity.url), 'ProcRC Application', entity);
      must(
        (entity.version === undefined) !== (entity.softwareVersion === undefined),
        'ProcRC SoftwareApplication SingleVersion',
        entity,
      );
    }
  }
  must(
    graph.some((entity) => isA(entity, 'CreateAction')),
    'a Process Run Crate has an action',
  );
  for (const id of referredIds(graph))
    must(ids.includes(id) || /^[a-z]+:/.test(id), `what is referred to is there: ${id}`);
  return broken;

  function checkAction(action: Entity): void {
    const instruments = refs(action.instrument);
    must(
      instruments.length > 0 &&
        instruments.every((entity) => isA(entity, 'SoftwareApplication', 'SoftwareSourceCode')),
      'Action instrument',
      action,
    );
    must(
      list(root?.mentions).map(idOf).includes(action['@id']),
      'Action SHOULD be referenced via mentions from root',
      action,
    );
    must(isText(action.name) && isText(action.description), 'Action name, Action description', action);
    must(actionTime.test(String(action.endTime)), 'Action endTime', action);
    must(
      action.startTime === undefined || actionTime.test(String(action.startTime)),
      'Action startTime',
      action,
    );
    must(
      refs(action.agent).some((entity) => isA(entity, 'Person', 'Organization')),
      'Action agent',
      action,
    );
    const things = [...list(action.object), ...list(action.result)];
    const kinds = ['File', 'Dataset', 'Collection', 'CreativeWork', 'PropertyValue'];
    must(
      list(action.result).length > 0 &&
        things.every((one) => refs(one).length === 1 && refs(one).every((entity) => isA(entity, ...kinds))),
      'Process Run Crate Action object and result types',
      action,
    );
  }
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function idOf(value: unknown): string | undefined {
  return (value as { readonly '@id'?: string } | null)?.['@id'];
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';

/** All references `{"@id": …}`, which are objects with nothing else. */
function referredIds(graph: readonly Entity[]): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (typeof value === 'object' && value !== null) {
      const id = idOf(value);
      if (id !== undefined && Object.keys(value).length === 1) found.push(id);
      else for (const item of Object.values(value)) visit(item);
    }
  };
  for (const entity of graph) for (const value of Object.values(entity)) visit(value);
  return found;
}
