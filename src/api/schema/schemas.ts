/**
 * The schema facts as trees, which decoding, defaulting, patching and applying traverse. The facts stay text until a
 * definition is used: a server that serves few kinds parses few of them.
 */
import { LineIndexedFile } from './line-indexed-file.ts';

/** A definition as the facts state it: OpenAPI 3 with Kubernetes' extensions. */
export interface RawSchema {
  type?: string;
  format?: string;
  $ref?: string;
  enum?: string[];
  oneOf?: RawSchema[];
  default?: unknown;
  required?: string[];
  properties?: Record<string, RawSchema>;
  additionalProperties?: RawSchema;
  items?: RawSchema;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-patch-strategy'?: string;
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-unions'?: unknown;
  'x-kubernetes-v2-schema'?: RawSchema;
}

export type NodeType =
  /** A struct: known fields only. */
  | 'object'
  | 'map'
  | 'list'
  | 'string'
  | 'bytes'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'time'
  | 'microTime'
  | 'quantity'
  | 'intOrString'
  /** Opaque JSON: raw extensions, field sets, literal values. */
  | 'any'
  /** Of custom resources: whatever is there, objects by their keys and lists as a whole. */
  | 'deduced'
  /** `true`, a schema, or a list of schemas or strings: what JSONSchemaProps nests. */
  | 'schemaOr';

export type ListType = 'atomic' | 'set' | 'map';

/**
 * How upstream prints a field that holds nothing:
 * - `pointer`: what was given is kept, zero values too; absent stays absent
 * - `pointerOrNull`: the same, but absent is printed as null
 * - `omitEmpty`: zero values and empty collections are left out
 * - `always`: absent is printed as the zero value
 */
export type Presence = 'pointer' | 'pointerOrNull' | 'omitEmpty' | 'always';

export interface SchemaNode {
  readonly type: NodeType;
  /** The type's name within upstream's decoding errors: `int32`, `v1.PodSpec`, `[]v1.Container`. */
  readonly goType: string;
  /** `PodSpec`; only of objects. */
  readonly structName?: string;
  /** Of objects; a built-in one knows all its fields. */
  readonly fields?: ReadonlyMap<string, SchemaField>;
  /** Fields of {@link fields} that are printed even when absent. */
  readonly alwaysFields?: readonly SchemaField[];
  /** What a list or a map holds. */
  readonly element?: SchemaNode;
  /** Of integers, and of what may be one: 32 or 64. */
  readonly bits?: number;
  readonly enum?: readonly string[];
  /** Of lists; undefined means atomic to server-side apply. */
  readonly listType?: ListType;
  readonly listMapKeys?: readonly string[];
  /** Of objects and maps: one owner for the whole. */
  readonly atomic?: boolean;
  /** Unknown fields are kept (custom resources only). */
  readonly preserveUnknown?: boolean;
}

/** One field of an object. Its node is resolved on first use, since definitions are recursive. */
export class SchemaField {
  readonly name: string;
  readonly presence: Presence;
  readonly required: boolean;
  /**
   * A default that the server fills in; undefined when there is none (a zero value is none, except behind a pointer).
   */
  readonly default: unknown;
  /** The value of the field in the key of a list item that omits it; zero values count here. */
  readonly keyDefault: unknown;
  readonly patchMerge: boolean;
  readonly patchReplace: boolean;
  readonly patchMergeKey: string | undefined;
  #node: SchemaNode | undefined;
  readonly #resolve: () => SchemaNode;

  constructor(facts: Omit<SchemaField, 'node'> & { resolve: () => SchemaNode }) {
    this.name = facts.name;
    this.presence = facts.presence;
    this.required = facts.required;
    this.default = facts.default;
    this.keyDefault = facts.keyDefault;
    this.patchMerge = facts.patchMerge;
    this.patchReplace = facts.patchReplace;
    this.patchMergeKey = facts.patchMergeKey;
    this.#resolve = facts.resolve;
  }

  get node(): SchemaNode {
    this.#node ??= this.#resolve();
    return this.#node;
  }
}

const schemaFile = new LineIndexedFile('schemas.json');
/** What the schemas lack about a field: how it is printed when empty, and its type's name: `p:v1.PullPolicy`. */
const goFieldFile = new LineIndexedFile('go-fields.json');

const refPrefix = '#/components/schemas/';
const nodes = new Map<string, SchemaNode>();

export function schemaNames(): Iterable<string> {
  return schemaFile.keys();
}

/** A definition as in the schema facts; parsed with every call. */
export function rawSchema(name: string): RawSchema | undefined {
  return schemaFile.read<RawSchema>(name);
}

export function refName(schema: RawSchema): string | undefined {
  return schema.$ref?.slice(refPrefix.length);
}

/** The tree of a definition such as `io.k8s.api.core.v1.Pod`. A name that the facts lack is a programmer's error. */
export function schemaNode(name: string): SchemaNode {
  let node = nodes.get(name);
  if (!node) {
    node = buildDefinition(name);
    nodes.set(name, node);
  }
  return node;
}

export function hasSchema(name: string): boolean {
  return schemaFile.has(name);
}

const specialDefinitions: Record<string, Pick<SchemaNode, 'type' | 'goType' | 'bits'>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'quantity', goType: 'resource.Quantity' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {
    type: 'intOrString',
    goType: 'intstr.IntOrString',
    bits: 32,
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { type: 'time', goType: 'v1.Time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { type: 'microTime', goType: 'v1.MicroTime' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': { type: 'any', goType: 'v1.FieldsV1' },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': { type: 'any', goType: 'runtime.RawExtension' },
};

function buildDefinition(name: string): SchemaNode {
  const special = specialDefinitions[name];
  if (special) return special;
  const raw = rawSchema(name);
  if (!raw) throw new Error(`no schema facts for ${name}`);
  const [version = '', shortName = ''] = name.split('.').slice(-2);
  const goType = `${version}.${shortName}`;
  if (shortName.startsWith('JSONSchemaPropsOr')) {
    return { type: 'schemaOr', goType, element: schemaNode(name.replace(/Or\w+$/, '')) };
  }
  if (raw.type !== 'object') return { type: 'any', goType };

  const goFields = goFieldFile.read<Record<string, string>>(name) ?? {};
  const fields = new Map<string, SchemaField>();
  const node: SchemaNode = {
    type: 'object',
    goType,
    structName: shortName,
    fields,
    alwaysFields: [],
    atomic: raw['x-kubernetes-map-type'] === 'atomic',
  };
  // A definition may contain itself: it must be known before its fields are.
  nodes.set(name, node);
  const always: SchemaField[] = [];
  for (const [fieldName, rawField] of Object.entries(raw.properties ?? {})) {
    const field = buildField(fieldName, rawField, raw, goFields[fieldName] ?? '');
    fields.set(fieldName, field);
    if (field.presence === 'always' || field.presence === 'pointerOrNull') always.push(field);
  }
  (node as { alwaysFields: readonly SchemaField[] }).alwaysFields = always;
  return node;
}

const presenceCodes: Record<string, Presence> = {
  p: 'pointer',
  P: 'pointerOrNull',
  v: 'omitEmpty',
  V: 'always',
  z: 'omitEmpty',
};

function buildField(name: string, raw: RawSchema, parent: RawSchema, goField: string): SchemaField {
  const [presenceCode = '', goType] = goField.split(':');
  const required = parent.required?.includes(name) ?? false;
  // Upstream prints an optional port that is not set as 0; here its absence says so, which defaulting relies on.
  const isOptionalPort = !required && presenceCode === 'V' && raw.$ref?.endsWith('.IntOrString') === true;
  const strategies = raw['x-kubernetes-patch-strategy']?.split(',') ?? [];
  // Behind a pointer, a zero value is not the same as none.
  const isPointer = presenceCodes[presenceCode]?.startsWith('pointer') ?? false;
  return new SchemaField({
    name,
    presence: isOptionalPort
      ? 'omitEmpty'
      : (presenceCodes[presenceCode] ?? impliedPresence(raw, { required })),
    required,
    default: isZero(raw.default) && !isPointer ? undefined : raw.default,
    keyDefault: raw.default,
    patchMerge: strategies.includes('merge'),
    patchReplace: strategies.includes('replace'),
    patchMergeKey: raw['x-kubernetes-patch-merge-key'],
    resolve: () => buildNode(raw, goType),
  });
}

/** What holds for a field that go-fields.json has no code for. */
function impliedPresence(raw: RawSchema, { required }: { required: boolean }): Presence {
  const ref = refName(raw);
  if (ref) {
    if (ref in specialDefinitions) return required ? 'always' : 'pointer';
    return raw.default === undefined ? 'pointer' : 'always';
  }
  if (raw.type === 'array' || raw.type === 'object' || raw.format === 'byte') {
    return required ? 'always' : 'omitEmpty';
  }
  return raw.default !== undefined && isZero(raw.default) ? 'always' : 'omitEmpty';
}

function isZero(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === '' || value === 0 || value === false;
}

const scalarTypes: Record<string, Pick<SchemaNode, 'type' | 'goType' | 'bits'>> = {
  'string/': { type: 'string', goType: 'string' },
  'string/byte': { type: 'bytes', goType: '[]uint8' },
  'integer/int32': { type: 'integer', goType: 'int32', bits: 32 },
  'integer/int64': { type: 'integer', goType: 'int64', bits: 64 },
  'number/double': { type: 'number', goType: 'float64' },
  'boolean/': { type: 'boolean', goType: 'bool' },
};

function buildNode(raw: RawSchema, goType: string | undefined): SchemaNode {
  const ref = refName(raw);
  if (ref) {
    const target = schemaNode(ref);
    const mapType = raw['x-kubernetes-map-type'];
    // A type that is atomic elsewhere may be granular where it is referred to.
    const atomic = mapType === undefined ? target.atomic : mapType === 'atomic';
    return atomic === target.atomic ? target : { ...target, atomic };
  }
  if (raw.type === 'array') {
    const element = buildNode(raw.items ?? {}, goType?.startsWith('[]') ? goType.slice(2) : undefined);
    return {
      type: 'list',
      goType: goType ?? `[]${element.goType}`,
      element,
      listType: raw['x-kubernetes-list-type'],
      listMapKeys: raw['x-kubernetes-list-map-keys'],
    };
  }
  if (raw.additionalProperties) {
    const element = buildNode(raw.additionalProperties, undefined);
    const atomic = raw['x-kubernetes-map-type'] === 'atomic';
    return { type: 'map', goType: goType ?? `map[string]${element.goType}`, element, atomic };
  }
  const scalar = scalarTypes[`${raw.type}/${raw.format ?? ''}`];
  if (!scalar) return { type: 'any', goType: 'interface {}' };
  if (!goType && !raw.enum) return scalar;
  return { ...scalar, goType: goType ?? scalar.goType, enum: raw.enum };
}
