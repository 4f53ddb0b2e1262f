/** The paths of custom resources: upstream describes them apart from the others, and more narrowly. */

import { type ApiOperation, type ApiPath, deleteBody, requiredBody } from './api-path.ts';
import { capital, groupVersionTag, groupVersionTitle, withArticle } from './operation-names.ts';
import {
  customDeleteCollectionParameters,
  deleteParameters,
  getParameters,
  listParameters,
  nameParameter,
  patchParameters,
  pathParameter,
  writeParameters,
} from './parameters.ts';
import {
  definitionName,
  kindOf,
  type OpenApiGroupVersion,
  type OpenApiResource,
  rootPath,
} from './source.ts';

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const objectTypes = ['application/json', 'application/yaml'];
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];

/** A custom resource or a subresource of it, as its operations name it. */
interface Described {
  source: OpenApiGroupVersion;
  /** The custom resource itself. */
  owner: OpenApiResource;
  /** `''` for the custom resource itself. */
  subresource: string;
  /** The name of its definition. */
  definition: string;
}

/** @param owner the custom resource itself, when `resource` is a subresource of it */
export function customPathsOf(
  source: OpenApiGroupVersion,
  resource: OpenApiResource,
  owner: OpenApiResource,
): ApiPath[] {
  const { namespaced, kind } = owner;
  const [plural = '', subresource = ''] = resource.name.split('/');
  const definition = definitionName(kindOf(source, resource));
  const described = { source, owner, subresource, definition };
  const tag = groupVersionTag(source);
  const scope = namespaced ? [pathParameter('namespace')] : [];
  const collection = `${rootPath(source)}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
  const object: ApiPath = {
    path: `${collection}/{name}${subresource && `/${subresource}`}`,
    pathParameters: [...scope, nameParameter(kind)],
    operations: objectOperations(described),
    tag,
  };
  if (subresource !== '') return [object];
  const list = listOperation(described);
  const operations = [list, ...collectionWrites(described)];
  const paths: ApiPath[] = [{ path: collection, pathParameters: scope, operations, tag }, object];
  if (namespaced) {
    const everywhere = {
      ...list,
      operationId: `list${groupVersionTitle(source)}${kind}ForAllNamespaces`,
    };
    paths.push({ path: `${rootPath(source)}/${plural}`, pathParameters: [], operations: [everywhere], tag });
  }
  return paths;
}

type Sketch = Partial<ApiOperation> & Pick<ApiOperation, 'method' | 'action'>;

function nounOf({ owner, subresource }: Described): string {
  return `${owner.namespaced ? 'Namespaced' : ''}${owner.kind}${capital(subresource)}`;
}

function operationOf(described: Described, verb: string, rest: Sketch): ApiOperation {
  const { source, owner, definition } = described;
  return {
    operationId: `${verb}${groupVersionTitle(source)}${nounOf(described)}`,
    gvk: kindOf(source, owner),
    queryParameters: getParameters,
    consumes: objectTypes,
    produces: objectTypes,
    answer: definition,
    codes: [200],
    ...rest,
  };
}

function listOperation(described: Described): ApiOperation {
  return operationOf(described, 'list', {
    method: 'get',
    action: 'list',
    description: `list objects of kind ${described.owner.kind}`,
    queryParameters: listParameters,
    answer: `${described.definition}List`,
  });
}

function collectionWrites(described: Described): ApiOperation[] {
  const { kind } = described.owner;
  return [
    operationOf(described, 'create', {
      ...writing(described),
      method: 'post',
      action: 'post',
      description: `create ${withArticle(kind)}`,
      codes: [200, 201, 202],
    }),
    operationOf(described, 'deletecollection', {
      method: 'delete',
      action: 'deletecollection',
      description: `delete collection of ${kind}`,
      operationId: `delete${groupVersionTitle(described.source)}Collection${nounOf(described)}`,
      queryParameters: customDeleteCollectionParameters,
      answer: `${metaV1}.Status`,
    }),
  ];
}

function objectOperations(described: Described): ApiOperation[] {
  const { owner, subresource } = described;
  const of = subresource ? `${subresource} of the specified ${owner.kind}` : `the specified ${owner.kind}`;
  const operations = [
    operationOf(described, 'read', { method: 'get', action: 'get', description: `read ${of}` }),
    operationOf(described, 'replace', {
      ...writing(described),
      method: 'put',
      action: 'put',
      description: `replace ${of}`,
      codes: [200, 201],
    }),
    operationOf(described, 'patch', {
      method: 'patch',
      action: 'patch',
      description: `partially update ${of}`,
      queryParameters: patchParameters,
      body: requiredBody(`${metaV1}.Patch`),
      consumes: patchTypes,
    }),
  ];
  if (subresource !== '') return operations;
  const deletion = operationOf(described, 'delete', {
    method: 'delete',
    action: 'delete',
    description: `delete ${withArticle(owner.kind)}`,
    queryParameters: deleteParameters,
    body: deleteBody,
    answer: `${metaV1}.Status`,
    codes: [200, 202],
  });
  return [...operations, deletion];
}

function writing({ definition }: Described): Pick<ApiOperation, 'queryParameters' | 'body'> {
  return { queryParameters: writeParameters, body: requiredBody(definition) };
}
