/**
 * How objects stand in the messages of validation: as JSON, but of the *inner* form that upstream validates. There,
 * fields have their Go names and order (`{"Key":"k","Value":"","Effect":"NoSchedule","TimeAdded":null}`), nothing is left
 * out, and a few stand elsewhere or are called otherwise. What has no inner form (selectors, metadata) is printed as the
 * API does. Only errors that are reported come here.
 */
import type { JsonObject } from '../../base/json-object.ts';
import { unifiedDiff } from '../../base/text/unified-diff.ts';
import { LineIndexedFile } from '../schema/line-indexed-file.ts';

type InnerTypeName = keyof typeof import('../data/inner-types.json');
/** As `data/inner-types.json` writes types. */
export type InnerTypeText = InnerTypeName | `[]${InnerTypeName}` | 'map string' | 'map quantity';

/** `value`, of the API's own form, as upstream's inner type prints it: `core.Taint`, `[]core.Taint`, `map string`. */
export function innerForm(type: InnerTypeText, value: unknown): unknown {
  return printed(parseType(`*${type}`), value);
}

/** `-` what was, `+` what is asked for, in lines of the inner form. */
export function innerDiff(type: InnerTypeText, before: object, after: object): string {
  return unifiedDiff(goJson(innerForm(type, before), 1), goJson(innerForm(type, after), 1));
}

/** JSON in which Go escapes what HTML would read. */
export function goJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replaceAll(/[<>&]/g, asEscape);
}

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

interface InnerType {
  readonly shape: 'pointer' | 'list' | 'map' | 'struct' | 'scalar';
  readonly element?: InnerType;
  /** For structs the name, for scalars the key in {@link zeroValues}. */
  readonly name: string;
}

interface InnerField {
  readonly name: string;
  /** What the API calls it, in small letters. */
  readonly source: string;
  readonly omitsEmpty: boolean;
  readonly type: InnerType;
}

const zeroValues: Readonly<Record<string, unknown>> = {
  string: '',
  bool: false,
  int: 0,
  quantity: '0',
  duration: '0s',
  time: null,
  bytes: null,
  any: null,
  json: null,
};

function printed(type: InnerType, value: unknown): unknown {
  const isAbsent = value === undefined || value === null;
  switch (type.shape) {
    case 'pointer':
      return isAbsent ? null : printed(type.element!, value);
    case 'list':
      return isAbsent ? null : (value as unknown[]).map((item) => printed(type.element!, item));
    case 'map':
      return isAbsent ? null : printedMap(type.element!, value as JsonObject);
    case 'struct':
      return printedStruct(type.name, isAbsent ? {} : value);
    default:
      return isAbsent ? zeroValues[type.name] : value;
  }
}

function printedMap(element: InnerType, value: JsonObject): JsonObject {
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, printed(element, value[key])]));
}

function printedStruct(name: string, value: unknown): JsonObject {
  const outer = rearranged[name]?.(value) ?? withMetadataEmbedded(value as JsonObject);
  const bySource = new Map(Object.entries(outer).map(([key, held]) => [key.toLowerCase(), held]));
  const entries: [string, unknown][] = [];
  for (const field of fieldsOf(name)) {
    const held = printed(field.type, bySource.get(field.source));
    if (!field.omitsEmpty || !isEmpty(held)) entries.push([field.name, held]);
  }
  return Object.fromEntries(entries);
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === null || value === '' || value === 0 || value === false;
}

function withMetadataEmbedded(value: JsonObject): JsonObject {
  return value.metadata ? { ...(value.metadata as JsonObject), ...value } : value;
}

/** Where the inner form holds something elsewhere than the API does. */
const rearranged: Readonly<Record<string, (value: unknown) => JsonObject>> = {
  'core.PodSpec': (value) => {
    const { hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace, ...spec } = value as JsonObject;
    const host = { hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace };
    return { ...spec, securityContext: { ...(spec.securityContext as JsonObject | undefined), ...host } };
  },
  'apiextensions.JSONSchemaPropsOrArray': (value) =>
    Array.isArray(value) ? { jsonSchemas: value } : { schema: value },
  'apiextensions.JSONSchemaPropsOrBool': (value) =>
    typeof value === 'boolean' ? { allows: value } : { allows: true, schema: value },
  'apiextensions.JSONSchemaPropsOrStringArray': (value) =>
    Array.isArray(value) ? { property: value } : { schema: value },
};

let typesFile: LineIndexedFile | undefined;
const fieldsByType = new Map<string, readonly InnerField[]>();

/** `Name string, Values []string, DiskURI=diskURI *string, labels? map string`: see `data/README.md`. */
function fieldsOf(typeName: string): readonly InnerField[] {
  const known = fieldsByType.get(typeName);
  if (known) return known;
  typesFile ??= new LineIndexedFile('inner-types.json');
  const text = typesFile.read<string>(typeName);
  if (text === undefined) throw new Error(`no inner form of ${typeName} is known`);
  const fields = text === '' ? [] : text.split(', ').map(parseField);
  fieldsByType.set(typeName, fields);
  return fields;
}

function parseField(text: string): InnerField {
  const [, name = '', source, omits, type = ''] = /^(\w+)(?:=([^ ]+))?(\?)? (.*)$/.exec(text) ?? [];
  return {
    name,
    source: (source ?? name).toLowerCase(),
    omitsEmpty: omits !== undefined,
    type: parseType(type),
  };
}

function parseType(text: string): InnerType {
  for (const [prefix, shape] of [
    ['*', 'pointer'],
    ['[]', 'list'],
    ['map ', 'map'],
  ] as const)
    if (text.startsWith(prefix)) return { shape, element: parseType(text.slice(prefix.length)), name: '' };
  return { shape: text in zeroValues ? 'scalar' : 'struct', name: text };
}
