/** An OpenAPI 3 document in protobuf, in the layout that Kubernetes' clients read (gnostic's openapi.v3). */
import { encodeMessage, type MessageLayout, type MessageLayouts } from './message-writer.ts';
import type { JsonSchema } from './source.ts';

const orReference = (message: string) => {
  const own: MessageLayout = { '': [1, { message }] };
  const reference: MessageLayout = { '': [2, { message: 'Reference' }] };
  return (value: unknown) => ((value as JsonSchema).$ref === undefined ? own : reference);
};

/** A default that is neither of these (`{}`, a list) is not encoded: its message is present, and empty. */
const defaultLayouts: Readonly<Record<string, MessageLayout>> = {
  number: { '': [1, 'double'] },
  boolean: { '': [2, 'boolean'] },
  string: { '': [3, 'string'] },
};

const layouts: MessageLayouts = {
  Document: {
    openapi: [1, 'string'],
    info: [2, { message: 'Info' }],
    paths: [4, { message: 'Paths' }],
    components: [5, { message: 'Components' }],
  },
  Info: { title: [1, 'string'], version: [6, 'string'] },
  Paths: { '': [1, { named: 'PathItem' }] },
  Components: {
    schemas: [1, { message: 'Schemas' }],
    securitySchemes: [7, { message: 'SecuritySchemes' }],
  },
  Schemas: { '': [1, { named: 'SchemaOrReference' }] },
  SecuritySchemes: { '': [1, { named: 'SecuritySchemeOrReference' }] },
  SecuritySchemeOrReference: orReference('SecurityScheme'),
  SecurityScheme: {
    type: [1, 'string'],
    description: [2, 'string'],
    name: [3, 'string'],
    in: [4, 'string'],
  },
  Reference: { $ref: [1, 'string'] },
  PathItem: {
    get: [4, { message: 'Operation' }],
    put: [5, { message: 'Operation' }],
    post: [6, { message: 'Operation' }],
    delete: [7, { message: 'Operation' }],
    options: [8, { message: 'Operation' }],
    head: [9, { message: 'Operation' }],
    patch: [10, { message: 'Operation' }],
    parameters: [13, { message: 'ParameterOrReference', repeated: true }],
  },
  Operation: {
    tags: [1, 'strings'],
    description: [3, 'string'],
    operationId: [5, 'string'],
    parameters: [6, { message: 'ParameterOrReference', repeated: true }],
    requestBody: [7, { message: 'RequestBodyOrReference' }],
    responses: [8, { message: 'Responses' }],
    'x-': [13, 'extensions'],
  },
  ParameterOrReference: orReference('Parameter'),
  Parameter: {
    name: [1, 'string'],
    in: [2, 'string'],
    description: [3, 'string'],
    required: [4, 'boolean'],
    schema: [10, { message: 'SchemaOrReference' }],
  },
  RequestBodyOrReference: orReference('RequestBody'),
  RequestBody: { content: [2, { message: 'MediaTypes' }], required: [3, 'boolean'] },
  MediaTypes: { '': [1, { named: 'MediaType' }] },
  MediaType: { schema: [1, { message: 'SchemaOrReference' }] },
  Responses: { '': [2, { named: 'ResponseOrReference' }] },
  ResponseOrReference: orReference('Response'),
  Response: { description: [1, 'string'], content: [3, { message: 'MediaTypes' }] },
  SchemaOrReference: orReference('Schema'),
  Schema: {
    nullable: [1, 'boolean'],
    externalDocs: [6, { message: 'ExternalDocs' }],
    example: [7, 'any'],
    title: [9, 'string'],
    multipleOf: [10, 'double'],
    maximum: [11, 'double'],
    exclusiveMaximum: [12, 'boolean'],
    minimum: [13, 'double'],
    exclusiveMinimum: [14, 'boolean'],
    maxLength: [15, 'integer'],
    minLength: [16, 'integer'],
    pattern: [17, 'string'],
    maxItems: [18, 'integer'],
    minItems: [19, 'integer'],
    uniqueItems: [20, 'boolean'],
    maxProperties: [21, 'integer'],
    minProperties: [22, 'integer'],
    required: [23, 'strings'],
    enum: [24, 'anys'],
    type: [25, 'string'],
    allOf: [26, { message: 'SchemaOrReference', repeated: true }],
    oneOf: [27, { message: 'SchemaOrReference', repeated: true }],
    anyOf: [28, { message: 'SchemaOrReference', repeated: true }],
    not: [29, { message: 'Schema' }],
    items: [30, { message: 'Items' }],
    properties: [31, { message: 'Properties' }],
    additionalProperties: [32, { message: 'AdditionalProperties' }],
    default: [33, { message: 'Default' }],
    description: [34, 'string'],
    format: [35, 'string'],
    'x-': [36, 'extensions'],
  },
  ExternalDocs: { description: [1, 'string'], url: [2, 'string'] },
  Items: { '': [1, { message: 'SchemaOrReference' }] },
  Properties: { '': [1, { named: 'SchemaOrReference' }] },
  AdditionalProperties: (value) =>
    typeof value === 'boolean' ? { '': [2, 'boolean'] } : { '': [1, { message: 'SchemaOrReference' }] },
  Default: (value) => defaultLayouts[typeof value] ?? {},
};

export function encodeOpenApiV3(document: JsonSchema): Uint8Array {
  return encodeMessage(layouts, 'Document', document);
}
