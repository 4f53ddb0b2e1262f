/** The paths that are about no resource: what the server is, and which groups, versions and resources it has. */

import type { ApiOperation, ApiPath } from './api-path.ts';
import { groupTag, groupTitle, groupVersionTag, groupVersionTitle } from './operation-names.ts';
import { type OpenApiGroupVersion, rootPath } from './source.ts';

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const discoveryTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

function reading(
  path: string,
  tag: string,
  operation: Partial<ApiOperation> & { operationId: string },
): ApiPath {
  const whole: ApiOperation = {
    method: 'get',
    queryParameters: [],
    answer: undefined,
    codes: [200],
    ...operation,
  };
  return { path: `${path}/`, pathParameters: [], operations: [whole], tag };
}

function discovering(
  path: string,
  tag: string,
  operation: Partial<ApiOperation> & { operationId: string },
): ApiPath {
  return reading(path, tag, { consumes: discoveryTypes, produces: discoveryTypes, ...operation });
}

/** Upstream describes no such path for custom resources. */
export function groupVersionRoot(source: OpenApiGroupVersion): ApiPath[] {
  if (source.customSchemas?.size) return [];
  return [
    discovering(rootPath(source), groupVersionTag(source), {
      description: 'get available resources',
      operationId: `get${groupVersionTitle(source)}APIResources`,
      answer: `${metaV1}.APIResourceList`,
    }),
  ];
}

/** By the name of its document: `apis/apps`, `version`. */
export function rootPaths(sources: readonly OpenApiGroupVersion[]): Map<string, ApiPath> {
  const paths = [
    discovering('/api', 'core', {
      description: 'get available API versions',
      operationId: 'getCoreAPIVersions',
      answer: `${metaV1}.APIVersions`,
    }),
    discovering('/apis', 'apis', {
      description: 'get available API versions',
      operationId: 'getAPIVersions',
      answer: `${metaV1}.APIGroupList`,
    }),
    reading('/version', 'version', {
      description: 'get the version information for this server',
      operationId: 'getCodeVersion',
      consumes: ['application/json'],
      produces: ['application/json'],
      answer: 'io.k8s.apimachinery.pkg.version.Info',
    }),
    reading('/.well-known/openid-configuration', 'WellKnown', {
      description: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
      operationId: 'getServiceAccountIssuerOpenIDConfiguration',
      produces: ['application/json'],
    }),
    reading('/openid/v1/jwks', 'openid', {
      description:
        'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)',
      operationId: 'getServiceAccountIssuerOpenIDKeyset',
      produces: ['application/jwk-set+json'],
    }),
  ];
  const groups = new Set(
    sources.filter(({ customSchemas }) => !customSchemas?.size).map(({ group }) => group),
  );
  groups.delete('');
  for (const group of groups)
    paths.push(
      discovering(`/apis/${group}`, groupTag(group), {
        description: 'get information of a group',
        operationId: `get${groupTitle(group)}APIGroup`,
        answer: `${metaV1}.APIGroup`,
      }),
    );
  return new Map(paths.map((path) => [path.path.slice(1, -1), path]));
}
