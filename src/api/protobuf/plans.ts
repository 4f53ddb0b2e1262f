/** How the fields of a definition lie in its protobuf message: the schema's names and the message's numbers, joined. */
import { readFileSync } from 'node:fs';
import { type SchemaField, type SchemaNode, schemaNode } from '../schema/schemas.ts';
import { bytesType, fixed64Type, varintType } from './wire.ts';

interface FieldFacts {
  type: string;
  id: number;
  rule?: 'repeated';
  keyType?: string;
}

interface MessageFacts {
  fields?: Record<string, FieldFacts>;
  nested?: Record<string, MessageFacts>;
}

export type Codec =
  | 'string'
  | 'bytes'
  | 'integer'
  | 'boolean'
  | 'double'
  | 'time'
  | 'microTime'
  | 'quantity'
  | 'intOrString'
  /** JSON within a message's only field. */
  | 'raw'
  | 'schemaOr'
  /** A list that has a message of its own, whose only field it is. */
  | 'wrappedList'
  | 'message';

export interface FieldPlan {
  /** Number and wire type, as they stand before the field. */
  tag: number;
  /** Name in JSON; '' when the message's fields belong to the object around it. */
  name: string;
  codec: Codec;
  repeated: boolean;
  map: boolean;
  /** Upstream writes it even when it is zero or absent. */
  isValue: boolean;
  /** Of messages: resolved when it is first needed, since messages are recursive. */
  plan(): MessagePlan;
  /** Of the message that has the field: schemas nest schemas. */
  parentPlan(): MessagePlan;
}

export interface MessagePlan {
  fields: readonly FieldPlan[];
  byTag: ReadonlyMap<number, FieldPlan>;
}

let root: MessageFacts | undefined;

function factsOf(name: string): MessageFacts | undefined {
  root ??= JSON.parse(
    readFileSync(new URL('../data/protobuf.json', import.meta.url), 'utf8'),
  ) as MessageFacts;
  let at: MessageFacts | undefined = root;
  for (const part of name.split('.')) at = at?.nested?.[part];
  return at?.fields ? at : undefined;
}

/** `io.k8s.api.core.v1.Pod` → `k8s.io.api.core.v1.Pod` */
function messageNameOf(schemaName: string): string {
  return schemaName
    .replace(/^io\.k8s\./, 'k8s.io.')
    .replace('apiextensions-apiserver', 'apiextensions_apiserver')
    .replace('kube-aggregator', 'kube_aggregator');
}

/** Asked with every request. */
const withMessage = new Set<string>();

export function hasMessage(schemaName: string): boolean {
  if (withMessage.has(schemaName)) return true;
  const isThere = factsOf(messageNameOf(schemaName)) !== undefined;
  if (isThere) withMessage.add(schemaName);
  return isThere;
}

const plans = new Map<string, MessagePlan>();

/** A definition without a message is a programming error: call {@link hasMessage} first. */
export function messagePlan(schemaName: string): MessagePlan {
  return planFor(messageNameOf(schemaName), schemaNode(schemaName));
}

function planFor(messageName: string, node: SchemaNode | undefined): MessagePlan {
  const key = `${messageName} ${node?.goType ?? ''}`;
  let plan = plans.get(key);
  if (!plan) {
    plan = buildPlan(messageName, node);
    plans.set(key, plan);
  }
  return plan;
}

function buildPlan(messageName: string, node: SchemaNode | undefined): MessagePlan {
  const facts = factsOf(messageName);
  if (!facts) throw new Error(`no protobuf facts for ${messageName}`);
  const byPlainName = new Map([...(node?.fields ?? [])].map(([name, field]) => [plainName(name), field]));
  const fields = Object.entries(facts.fields ?? {})
    .map(([name, field]) => buildField(messageName, field, byPlainName.get(plainName(name)), node))
    .sort((left, right) => left.tag - right.tag);
  return { fields, byTag: new Map(fields.map((field) => [field.tag, field])) };
}

/** `x-kubernetes-list-type` and `xKubernetesListType`, `$ref` and `ref`, `apiGroup` and `aPIGroup` are the same. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

const scalarCodecs: Record<string, { codec: Codec; wire: number }> = {
  string: { codec: 'string', wire: bytesType },
  bytes: { codec: 'bytes', wire: bytesType },
  int32: { codec: 'integer', wire: varintType },
  int64: { codec: 'integer', wire: varintType },
  bool: { codec: 'boolean', wire: varintType },
  double: { codec: 'double', wire: fixed64Type },
};

const specialMessages: Record<string, Codec> = {
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time': 'time',
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime': 'microTime',
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'quantity',
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'intOrString',
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1': 'raw',
  'k8s.io.apimachinery.pkg.runtime.RawExtension': 'raw',
};

function buildField(
  messageName: string,
  facts: FieldFacts,
  schemaField: SchemaField | undefined,
  parent: SchemaNode | undefined,
): FieldPlan {
  const map = facts.keyType !== undefined;
  const scalar = scalarCodecs[facts.type];
  const typeName = scalar ? '' : resolveType(facts.type, messageName);
  const repeated = facts.rule === 'repeated';
  const isCollection = repeated || map;
  const itemNode = schemaField && (isCollection ? schemaField.node.element : schemaField.node);
  const codec = scalar?.codec ?? codecOf(typeName, itemNode);
  const wire = isCollection ? bytesType : (scalar?.wire ?? bytesType);
  return {
    tag: facts.id * 8 + (repeated && scalar ? scalar.wire : wire),
    name: schemaField?.name ?? '',
    codec,
    repeated,
    map,
    isValue: !isCollection && isValueField(schemaField, codec),
    plan: () => planFor(typeName, schemaField ? itemNode : parent),
    parentPlan: () => planFor(messageName, parent),
  };
}

/** `node`: of the field, or of what a list or map holds. */
function codecOf(typeName: string, node: SchemaNode | undefined): Codec {
  const special = specialMessages[typeName];
  if (special) return special;
  if (/\.apiextensions\.v1(beta1)?\.JSON$/.test(typeName)) return 'raw';
  if (/\.JSONSchemaPropsOr\w+$/.test(typeName)) return 'schemaOr';
  return node?.type === 'list' ? 'wrappedList' : 'message';
}

function isValueField(field: SchemaField | undefined, codec: Codec): boolean {
  // Embedded fields have no pointer of their own.
  if (!field) return true;
  return codec !== 'bytes' && (field.presence === 'always' || field.presence === 'omitEmpty');
}

/** Names are relative to the package of the message, or full with or without a leading dot. */
function resolveType(type: string, messageName: string): string {
  if (type.startsWith('.')) return type.slice(1);
  const sibling = `${messageName.slice(0, messageName.lastIndexOf('.'))}.${type}`;
  return factsOf(sibling) ? sibling : type;
}
