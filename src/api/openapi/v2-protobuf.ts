/** An OpenAPI 2 document in protobuf, in the layout that Kubernetes' clients read (gnostic's openapi.v2). */
import { encodeMessage, type MessageLayouts } from './message-writer.ts';
import type { JsonSchema } from './source.ts';

const layouts: MessageLayouts = {
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
  ParametersItem: (value) =>
    (value as JsonSchema).$ref
      ? { '': [2, { message: 'JsonReference' }] }
      : { '': [1, { message: 'Parameter' }] },
  Parameter: (value) =>
    (value as JsonSchema).in === 'body'
      ? { '': [1, { message: 'BodyParameter' }] }
      : { '': [2, { message: 'NonBodyParameter' }] },
  NonBodyParameter: (value) =>
    (value as JsonSchema).in === 'path'
      ? { '': [4, { message: 'PathParameter' }] }
      : { '': [3, { message: 'QueryParameter' }] },
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
  return encodeMessage(layouts, 'Document', document);
}
