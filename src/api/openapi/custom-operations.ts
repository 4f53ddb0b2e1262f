/** The paths of custom resources: upstream describes them apart from the others, and more narrowly. */

import { type ApiOperation, type ApiPath, deleteBody, type Method, requiredBody } from './api-path.ts';
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

/** @param owner the custom resource itself, when `resource` is a subresource of it */
export function customPathsOf(
  source: OpenApiGroupVersion,
  resource: OpenApiResource,
  owner: OpenApiResource,
): ApiPath[] {
  const { namespaced, kind } = owner;
  const [plural = '', subresource = ''] = resource.name.split('/');
  const definition = definitionName(kindOf(source, resource));
  const title = groupVersionTitle(source);
  const noun = `${namespaced ? 'Namespaced' : ''}${kind}${capital(subresource)}`;
  const scope = namespaced ? [pathParameter('namespace')] : [];
  const collection = `${rootPath(source)}${namespaced ? '/namespaces/{namespace}' : ''}/${plural}`;
  const object = `${collection}/{name}${subresource && `/${subresource}`}`;
  const of = subresource ? `${subresource} of the specified ${kind}` : `the specified ${kind}`;

  const operation = (
    method: Method,
    action: string,
    verb: string,
    rest: Partial<ApiOperation>,
  ): ApiOperation => ({
    method,
    action,
    operationId: `${verb}${title}${noun}`,
    gvk: kindOf(source, owner),
    queryParameters: getParameters,
    consumes: objectTypes,
    produces: objectTypes,
    answer: definition,
    codes: [200],
    ...rest,
  });
  const list = operation('get', 'list', 'list', {
    description: `list objects of kind ${kind}`,
    queryParameters: listParameters,
    answer: `${definition}List`,
  });
  const writing = { queryParameters: writeParameters, body: requiredBody(definition) };
  const collectionOperations = [
    list,
    operation('post', 'post', 'create', {
      ...writing,
      description: `create ${withArticle(kind)}`,
      codes: [200, 201, 202],
    }),
    operation('delete', 'deletecollection', 'deletecollection', {
      description: `delete collection of ${kind}`,
      queryParameters: customDeleteCollectionParameters,
      answer: `${metaV1}.Status`,
    }),
  ];
  const objectOperations = [
    operation('get', 'get', 'read', { description: `read ${of}` }),
    operation('put', 'put', 'replace', { ...writing, description: `replace ${of}`, codes: [200, 201] }),
    operation('patch', 'patch', 'patch', {
      description: `partially update ${of}`,
      queryParameters: patchParameters,
      body: requiredBody(`${metaV1}.Patch`),
      consumes: patchTypes,
    }),
  ];
  if (subresource === '')
    objectOperations.push(
      operation('delete', 'delete', 'delete', {
        description: `delete ${withArticle(kind)}`,
        queryParameters: deleteParameters,
        body: deleteBody,
        answer: `${metaV1}.Status`,
        codes: [200, 202],
      }),
    );

  const tag = groupVersionTag(source);
  const paths: ApiPath[] = [
    { path: object, pathParameters: [...scope, nameParameter(kind)], operations: objectOperations, tag },
  ];
  if (subresource !== '') return paths;
  paths.unshift({ path: collection, pathParameters: scope, operations: collectionOperations, tag });
  if (namespaced) {
    const everywhere = { ...list, operationId: `list${title}${kind}ForAllNamespaces` };
    paths.push({ path: `${rootPath(source)}/${plural}`, pathParameters: [], operations: [everywhere], tag });
  }
  return paths;
}
