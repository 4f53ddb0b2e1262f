/** What can be done at a path, whatever dialect of OpenAPI says it. */

import type { BodyParameter, PathParameter, QueryParameter } from './parameters.ts';
import type { GroupVersionKind } from './source.ts';

export const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const;
export type Method = (typeof methods)[number];

export interface ApiOperation {
  method: Method;
  /**
   * `list`, `get`, `post`, `put`, `patch`, `delete`, `deletecollection`, `watch`, `watchlist`, `connect`; absent where the
   * operation is about no resource.
   */
  action?: string;
  operationId: string;
  description?: string;
  gvk?: GroupVersionKind;
  queryParameters: readonly QueryParameter[];
  body?: BodyParameter;
  /** Media types; absent when OpenAPI 2 must not mention them. */
  consumes?: readonly string[];
  produces?: readonly string[];
  /** Definition of the answer; undefined: text. */
  answer: string | undefined;
  /** Status codes of success. */
  codes: readonly number[];
}

/** What answers of success say of their codes. */
export const codeTexts: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

export interface ApiPath {
  path: string;
  pathParameters: readonly PathParameter[];
  operations: ApiOperation[];
  tag: string;
}

/**
 * Parameters of every operation of a path are listed at the path itself; the others, with the body, at each operation.
 */
export function commonQueryParameters({ operations }: ApiPath): QueryParameter[] {
  const [first, ...others] = operations;
  return (first?.queryParameters ?? []).filter((parameter) =>
    others.every(({ queryParameters }) => queryParameters.some(({ name }) => name === parameter.name)),
  );
}

export type Parameter = BodyParameter | PathParameter | QueryParameter;

/** In the order of documents. */
export function sortParameters<P extends Parameter>(parameters: readonly P[]): P[] {
  const key = (parameter: P) => `${parameter.name} ${parameter.in}`;
  return [...parameters].sort((left, right) => (key(left) < key(right) ? -1 : 1));
}

/** @param common those already listed at the path */
export function ownParameters(operation: ApiOperation, common: readonly QueryParameter[]): Parameter[] {
  const own = operation.queryParameters.filter(({ name }) => common.every((other) => other.name !== name));
  return sortParameters<Parameter>(operation.body ? [operation.body, ...own] : own);
}

export function requiredBody(definition: string): BodyParameter {
  return { in: 'body', name: 'body', definition, required: true };
}

export const deleteBody: BodyParameter = {
  in: 'body',
  name: 'body',
  definition: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  required: false,
};
