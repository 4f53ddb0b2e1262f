/** An OpenAPI 2 document in protobuf, in the layout that Kubernetes' clients read (gnostic's openapi.v2). */
import { bytesType, varintType, WireWriter } from '../protobuf/wire.ts';
import type { JsonSchema } from './source.ts';

/** How a field is written; a name stands for one of the messages below. */
type FieldType =
  | 'string'
  | 'strings'
  | 'boolean'
  | 'double'
  | 'integer'
  | 'any'
  | 'anys'
  /** Everything that starts with `x-`. */
  | 'extensions'
  | { message: string; repeated?: boolean }
  /** An object as a list of names and messages. */
  | { named: string };

type MessageLayout = Record<string, [id: number, type: FieldType]>;

const layouts: Record<string, MessageLayout> = {
  Document: {
    swagger: [1, 'string'],
    info: [2, { message: 'Info' }],
    paths: [8, { message: 'Paths' }],
    definitions: [9, { message: 'Definitions' }],
    parameters: [10, { message: 'ParameterDefinitions' }],
    security: [12, { message: 'SecurityRequirement', repeated: true }],
    securityDefinitions: [13, { message: 'SecurityDefinitions' }],
  },
  Info: { title: [1, 'string'], version: [2, 'string'] },
  Paths: { '': [2, { named: 'PathItem' }] },
  Definitions: { '': [1, { named: 'Schema' }] },
  Properties: { '': [1, { named: 'Schema' }] },
  ParameterDefinitions: { '': [1, { named: 'Parameter' }] },
  SecurityDefinitions: { '': [1, { named: 'SecurityDefinitionsItem' }] },
  SecurityDefinitionsItem: { '': [2, { message: 'ApiKeySecurity' }] },
  SecurityRequirement: { '': [1, { named: 'StringArray' }] },
  StringArray: { '': [1, 'strings'] },
  ApiKeySecurity: {
    type: [1, 'string'],
    name: [2, 'string'],
    in: [3, 'string'],
    description: [4, 'string'],
  },
  PathItem: {
    get: [2, { message: 'Operation' }],
    put: [3, { message: 'Operation' }],
    post: [4, { message: 'Operation' }],
    delete: [5, { message: 'Operation' }],
    options: [6, { message: 'Operation' }],
    head: [7, { message: 'Operation' }],
    patch: [8, { message: 'Operation' }],
    parameters: [9, { message: 'ParametersItem', repeated: true }],
  },
  Operation: {
    tags: [1, 'strings'],
    description: [3, 'string'],
    operationId: [5, 'string'],
    produces: [6, 'strings'],
    consumes: [7, 'strings'],
    parameters: [8, { message: 'ParametersItem', repeated: true }],
    responses: [9, { message: 'Responses' }],
    schemes: [10, 'strings'],
    'x-': [13, 'extensions'],
  },
  JsonReference: { $ref: [1, 'string'] },
  BodyParameter: {
    name: [2, 'string'],
    in: [3, 'string'],
    required: [4, 'boolean'],
    schema: [5, { message: 'Schema' }],
  },
  QueryParameter: {
    in: [2, 'string'],
    description: [3, 'string'],
    name: [4, 'string'],
    type: [6, 'string'],
    uniqueItems: [20, 'boolean'],
  },
  PathParameter: {
    required: [1, 'boolean'],
    in: [2, 'string'],
    description: [3, 'string'],
    name: [4, 'string'],
    type: [5, 'string'],
    uniqueItems: [19, 'boolean'],
  },
  Responses: { '': [1, { named: 'ResponseValue' }] },
  ResponseValue: { '': [1, { message: 'Response' }] },
  Response: { description: [1, 'string'], schema: [2, { message: 'SchemaItem' }] },
  SchemaItem: { '': [1, { message: 'Schema' }] },
  Schema: {
    $ref: [1, 'string'],
    format: [2, 'string'],
    title: [3, 'string'],
    description: [4, 'string'],
    default: [5, 'any'],
    multipleOf: [6, 'double'],
    maximum: [7, 'double'],
    exclusiveMaximum: [8, 'boolean'],
    minimum: [9, 'double'],
    exclusiveMinimum: [10, 'boolean'],
    maxLength: [11, 'integer'],
    minLength: [12, 'integer'],
    pattern: [13, 'string'],
    maxItems: [14, 'integer'],
    minItems: [15, 'integer'],
    uniqueItems: [16, 'boolean'],
    maxProperties: [17, 'integer'],
    minProperties: [18, 'integer'],
    required: [19, 'strings'],
    enum: [20, 'anys'],
    additionalProperties: [21, { message: 'AdditionalPropertiesItem' }],
    type: [22, { message: 'TypeItem' }],
    items: [23, { message: 'ItemsItem' }],
    properties: [25, { message: 'Properties' }],
    'x-': [31, 'extensions'],
  },
  AdditionalPropertiesItem: { '': [1, { message: 'Schema' }] },
  ItemsItem: { '': [1, { message: 'Schema' }] },
  TypeItem: { '': [1, 'string'] },
};

export function encodeOpenApiV2(document: JsonSchema): Uint8Array {
  const writer = new WireWriter(4 * 1024 * 1024);
  writeMessage(writer, 'Document', document);
  return writer.finish();
}

/** A layout with the one key '' wraps: its only field is the value itself. */
function writeMessage(writer: WireWriter, name: string, value: unknown): void {
  if (name === 'ParametersItem') {
    writeParametersItem(writer, value as JsonSchema);
    return;
  }
  if (name === 'Parameter') {
    writeParameter(writer, value as JsonSchema);
    return;
  }
  const layout = layouts[name]!;
  const wrapped = layout[''];
  if (wrapped) {
    writeField(writer, wrapped[0], wrapped[1], value);
    return;
  }
  for (const [key, [id, type]] of Object.entries(layout)) {
    if (type === 'extensions') writeExtensions(writer, id, value as JsonSchema);
    else writeField(writer, id, type, (value as JsonSchema)[key]);
  }
}

function writeNested(writer: WireWriter, id: number, write: () => void): void {
  writer.tag(id * 8 + bytesType);
  const start = writer.begin();
  write();
  writer.end(start);
}

function writeString(writer: WireWriter, id: number, text: string): void {
  writer.tag(id * 8 + bytesType);
  writer.string(text);
}

function writeField(writer: WireWriter, id: number, type: FieldType, value: unknown): void {
  if (value === undefined || value === null) return;
  if (typeof type === 'object') {
    if ('named' in type) {
      for (const [name, item] of Object.entries(value as JsonSchema)) {
        writeNested(writer, id, () => {
          writeString(writer, 1, name);
          writeNested(writer, 2, () => writeMessage(writer, type.named, item));
        });
      }
    } else if (type.repeated) {
      for (const item of value as unknown[])
        writeNested(writer, id, () => writeMessage(writer, type.message, item));
    } else writeNested(writer, id, () => writeMessage(writer, type.message, value));
    return;
  }
  switch (type) {
    case 'string':
      writeString(writer, id, String(value));
      return;
    case 'strings':
      for (const text of value as string[]) writeString(writer, id, text);
      return;
    case 'boolean':
    case 'integer':
      writer.tag(id * 8 + varintType);
      writer.integer(Number(value));
      return;
    case 'double':
      writer.tag(id * 8 + 1);
      writer.double(Number(value));
      return;
    case 'any':
      writeNested(writer, id, () => writeAny(writer, value));
      return;
    case 'anys':
      for (const item of value as unknown[]) writeNested(writer, id, () => writeAny(writer, item));
      return;
  }
}

/** Any value as YAML, of which JSON is a part. */
function writeAny(writer: WireWriter, value: unknown): void {
  writeString(writer, 2, `${JSON.stringify(value)}\n`);
}

function writeExtensions(writer: WireWriter, id: number, object: JsonSchema): void {
  for (const [name, value] of Object.entries(object)) {
    if (!name.startsWith('x-')) continue;
    writeNested(writer, id, () => {
      writeString(writer, 1, name);
      writeNested(writer, 2, () => writeAny(writer, value));
    });
  }
}

function writeParametersItem(writer: WireWriter, parameter: JsonSchema): void {
  if (parameter.$ref) writeNested(writer, 2, () => writeMessage(writer, 'JsonReference', parameter));
  else writeNested(writer, 1, () => writeParameter(writer, parameter));
}

function writeParameter(writer: WireWriter, parameter: JsonSchema): void {
  if (parameter.in === 'body') {
    writeNested(writer, 1, () => writeMessage(writer, 'BodyParameter', parameter));
    return;
  }
  const [id, layout] = parameter.in === 'path' ? [4, 'PathParameter'] : [3, 'QueryParameter'];
  writeNested(writer, 2, () => {
    writeNested(writer, id as number, () => writeMessage(writer, layout as string, parameter));
  });
}
