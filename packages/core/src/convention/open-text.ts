import { isOpenColumn } from '../hook/hook.ts';
import type { StoredHook } from '../hook/registry.ts';
import { isOpenField } from '../record/schema.ts';
import type { DeployRequest } from './convention.ts';

/**
 * The archive's SDK declares as `text` or `string` whatever it cannot type: `float | None`, `list[str]`, nested models. Its
 * deploys give no slug, while those of `osa` always do. So without a slug, and unless the body says otherwise, text that has
 * no rule of its own takes any JSON value. The first choice for a schema version or a hook stays.
 */
export function withOpenText(request: DeployRequest): DeployRequest {
  const byDefault = request.slug === undefined || request.slug === null;
  const { schema, hooks } = request;
  return {
    ...request,
    schema: { ...schema, ...openness(schema.open_text ?? byDefault) },
    hooks: hooks.map((hook) => ({
      ...hook,
      feature: { ...hook.feature, ...openness(hook.feature.open_text ?? byDefault) },
    })),
  };
}

/** Left out where it is false, so that contracts of `osa` say nothing of it. */
function openness(isOpen: boolean): { open_text: true | undefined } {
  return { open_text: isOpen || undefined };
}

/** Warnings about text that takes any value, and about text that does not although the SDK may mean it to. */
export function openTextWarnings(
  { schema, hooks }: DeployRequest,
  state: {
    readonly openText: boolean | undefined;
    readonly hooks: ReadonlyMap<string, Pick<StoredHook, 'feature'>>;
  },
): string[] {
  const name = `schema ${schema.id}@${schema.version}`;
  const asked = schema.open_text === true;
  const fields = schema.fields.filter(isOpenField).map((field) => field.name);
  const dates = schema.fields.filter((field) => field.type === 'date').map((field) => field.name);
  const isOpen = state.openText ?? asked;
  return [
    ...openWarnings(`${name}: the text fields`, fields, { asked, isOpen }),
    ...(isOpen && dates.length > 0
      ? [
          `${name}: the date fields ${dates.join(', ')} also take times without an offset, which are kept as written and marked as local`,
        ]
      : []),
    ...hooks.flatMap(({ name: hook, feature }) => {
      const stored = state.hooks.get(hook)?.feature ?? feature;
      const columns = feature.columns.filter(isOpenColumn).map((column) => column.name);
      const openness = { asked: feature.open_text === true, isOpen: stored.open_text === true };
      return openWarnings(`hook ${hook}: the string columns`, columns, openness);
    }),
  ];
}

function openWarnings(
  what: string,
  names: readonly string[],
  { asked, isOpen }: { readonly asked: boolean; readonly isOpen: boolean },
): string[] {
  if (names.length === 0 || (!asked && !isOpen)) return [];
  const list = `${what} ${names.join(', ')}`;
  if (!isOpen) return [`${list} were first declared by osa, so values other than text are refused`];
  return [
    `${list} take any JSON value, since the archive's SDK declares as text what it cannot type; ` +
      'to have text checked, deploy a convention.yaml with osa under another version or name',
  ];
}
