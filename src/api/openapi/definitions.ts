/** Definitions as OpenAPI 3 and OpenAPI 2 show them, with their descriptions, and with all that they refer to. */
import { type RawSchema, rawSchema, refName } from '../schema/schemas.ts';
import type { ApiPath } from './api-path.ts';
import { publishedCustomSchema } from './custom-schema.ts';
import type { Descriptions } from './descriptions.ts';
import { type Dialect, refTo } from './references.ts';
import {
  definitionName,
  type GroupVersionKind,
  type JsonSchema,
  kindOf,
  type OpenApiGroupVersion,
} from './source.ts';

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** What a document is about. */
interface Covered {
  sources: readonly OpenApiGroupVersion[];
  paths: readonly ApiPath[];
}

/** The definitions that operations refer to, and of everything below them, by name and in order. */
export function collectDefinitions(
  { sources, paths }: Covered,
  descriptions: Descriptions,
  dialect: Dialect,
): Record<string, JsonSchema> {
  const out = new Map<string, JsonSchema>();
  const queue: string[] = [];
  const conversion: Conversion = { dialect, queue, sources };
  const kinds = new Map<string, GroupVersionKind>();
  for (const source of sources) {
    for (const resource of source.resources) {
      const gvk = kindOf(source, resource);
      const custom = gvk.group === source.group ? source.customSchemas?.get(resource.kind) : undefined;
      // Named by the resource itself, of which subresources come later.
      if (custom && out.has(definitionName(gvk))) continue;
      if (custom) addCustomKind(out, { gvk, plural: resource.name }, custom, conversion);
      else
        for (const each of [gvk, { ...gvk, kind: `${gvk.kind}List` }]) kinds.set(definitionName(each), each);
    }
  }
  for (const { body, answer } of paths.flatMap(({ operations }) => operations)) {
    if (body) queue.push(body.definition);
    if (answer) queue.push(answer);
  }
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (out.has(name)) continue;
    const raw = rawSchema(name);
    if (!raw) continue;
    const definition = convertDefinition({ name, raw, kind: kinds.get(name) }, descriptions, conversion);
    out.set(name, definition);
  }
  return Object.fromEntries([...out].sort(([left], [right]) => (left < right ? -1 : 1)));
}

interface Conversion {
  dialect: Dialect;
  sources: readonly OpenApiGroupVersion[];
  /** Takes the names of definitions that are referred to. */
  queue: string[];
}

interface Definition {
  name: string;
  raw: RawSchema;
  kind: GroupVersionKind | undefined;
}

function convertDefinition(
  { name, raw, kind }: Definition,
  descriptions: Descriptions,
  conversion: Conversion,
): JsonSchema {
  const { properties, 'x-kubernetes-v2-schema': v2Schema, ...rest } = raw;
  const out: JsonSchema = {};
  const description = descriptions.definition(name);
  if (description) out.description = description;
  if (v2Schema && conversion.dialect === 'v2') return { ...out, ...v2Schema };
  Object.assign(out, rest);
  if (properties) {
    out.properties = Object.fromEntries(
      Object.entries(properties).map(([field, schema]) => {
        return [field, convertSchema(schema, conversion, descriptions.field(name, field))];
      }),
    );
  }
  const known = raw['x-kubernetes-group-version-kind'];
  if (known && known.length > 1 && conversion.dialect === 'v3')
    out['x-kubernetes-group-version-kind'] = known.filter((each) => isCovered(each, conversion.sources));
  // Some old kinds' facts do not say which kind they are.
  if (kind && !known) out['x-kubernetes-group-version-kind'] = [kind];
  return out;
}

/** Of the kinds that every group repeats under its own name, a document has its own and the common one. */
function isCovered({ group, version }: GroupVersionKind, sources: readonly OpenApiGroupVersion[]): boolean {
  if (group === '' && version === 'v1') return true;
  return sources.some((source) => source.group === group && source.version === version);
}

function convertSchema(schema: RawSchema, conversion: Conversion, description?: string): JsonSchema {
  const { dialect, queue } = conversion;
  const { $ref, items, additionalProperties, default: given, enum: values, ...rest } = schema;
  const out: JsonSchema = {};
  if (description) out.description = description;
  Object.assign(out, rest);
  // OpenAPI 2 documents tell no defaults: old clients stumble over them.
  if (dialect === 'v3' && given !== undefined) out.default = given;
  if (values) out.enum = values;
  if (items) out.items = convertSchema(items, conversion);
  if (additionalProperties) out.additionalProperties = convertSchema(additionalProperties, conversion);
  const target = refName({ $ref });
  if (target) {
    queue.push(target);
    const ref = refTo(target, dialect);
    // In OpenAPI 3, siblings of a reference are ignored.
    if (dialect === 'v2' || Object.keys(out).length === 0) Object.assign(out, ref);
    else out.allOf = [ref];
  }
  return out;
}

const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions';

const typeMetaTexts = {
  apiVersion:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  kind: 'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
  metadata:
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
};

function addCustomKind(
  out: Map<string, JsonSchema>,
  { gvk, plural }: { gvk: GroupVersionKind; plural: string },
  schema: JsonSchema,
  { dialect, queue }: Conversion,
): void {
  const name = definitionName(gvk);
  const reference = (target: string, description: string): JsonSchema => {
    queue.push(target);
    const ref = refTo(target, dialect);
    return dialect === 'v2' ? { description, ...ref } : { description, allOf: [ref] };
  };
  const typeMeta = {
    apiVersion: { description: typeMetaTexts.apiVersion, type: 'string' },
    kind: { description: typeMetaTexts.kind, type: 'string' },
  };
  const metadata = () => reference(`${metaV1}.ObjectMeta`, typeMetaTexts.metadata);
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true;
  const selectable = schema['x-kubernetes-selectable-fields'];
  const selection: JsonSchema = selectable ? { 'x-kubernetes-selectable-fields': selectable } : {};
  const published: JsonSchema = { ...selection };
  // Clients of OpenAPI 2 take a kind with any property at all for closed, and one with none for open.
  if (dialect === 'v3' || !isOpen) {
    Object.assign(published, publishedCustomSchema(schema, dialect, metadata));
    published.properties = {
      ...(published.properties as JsonSchema | undefined),
      ...typeMeta,
      metadata: metadata(),
    };
  }
  out.set(name, { ...published, type: 'object', 'x-kubernetes-group-version-kind': [gvk] });

  const item = refTo(name, dialect);
  const listGvk = { ...gvk, kind: `${gvk.kind}List` };
  out.set(`${name}List`, {
    ...selection,
    description: `${gvk.kind}List is a list of ${gvk.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      ...typeMeta,
      items: {
        description: `List of ${plural}. More info: ${conventions}.md`,
        type: 'array',
        items: item,
      },
      metadata: reference(
        `${metaV1}.ListMeta`,
        `Standard list metadata. More info: ${conventions}.md#types-kinds`,
      ),
    },
    'x-kubernetes-group-version-kind': [listGvk],
  });
}
