/** Where the parts of a document stand that others refer to. */
import type { JsonSchema } from './source.ts';

export type Dialect = 'v2' | 'v3';

/** Prefixes of references to definitions. */
export const definitionsAt: Readonly<Record<Dialect, string>> = {
  v2: '#/definitions/',
  v3: '#/components/schemas/',
};

/** Of OpenAPI 2: prefix of references to parameters that several operations share. */
export const parametersAt = '#/parameters/';

export function refTo(definition: string, dialect: Dialect): JsonSchema {
  return { $ref: definitionsAt[dialect] + definition };
}
