/** `deployments/rollback` of extensions/v1beta1 and apps/v1beta1: how kubectl undid a rollout before it did so by itself. */
import { rollbackAnnotation } from '../../api/apps/deployment.ts';
import type { KubeObject } from '../../api/meta.ts';
import { decodeParsed } from '../../api/schema/body/body.ts';
import { badRequest, invalid, methodNotAllowed } from '../../api/status.ts';
import { required } from '../../api/validation/field-error.ts';
import { readParsedBody } from '../registry/conversion/codec.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { Registry } from '../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import { changeObject } from '../registry/verbs/update.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

export const rollbackVersions: readonly string[] = ['extensions/v1beta1', 'apps/v1beta1'];

interface DeploymentRollback {
  name?: string;
  updatedAnnotations?: Record<string, string>;
  rollbackTo?: { revision?: number };
}

export async function serveRollback(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  if (context.info.verb !== 'create') throw methodNotAllowed();
  const { name } = context.info;
  const rollback = await readRollback(context, resource);
  if (rollback.name !== name)
    throw badRequest('name in URL does not match name in DeploymentRollback object');
  await changeObject(
    registry,
    { ...writeRequest(context, resource), subresource: '' },
    {
      next(current) {
        const deployment = current.copy();
        delete (deployment.metadata as Partial<KubeObject['metadata']>).resourceVersion;
        deployment.metadata.annotations = {
          ...deployment.metadata.annotations,
          ...rollback.updatedAnnotations,
          [rollbackAnnotation]: String(rollback.rollbackTo?.revision ?? 0),
        };
        return deployment;
      },
    },
  );
  const message = `rollback request for deployment ${JSON.stringify(name)} succeeded`;
  const object = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', message, code: 200 };
  return { type: 'plain', status: 201, object };
}

async function readRollback(
  context: RequestContext,
  { group, version, apiVersion }: ServedResource,
): Promise<DeploymentRollback> {
  const kind = 'DeploymentRollback';
  const schema = `io.k8s.api.${apiVersion.replace('/', '.')}.${kind}`;
  const parsed = await readParsedBody(context.request, { kind, schema });
  const { object, warnings } = decodeParsed<DeploymentRollback & Record<string, unknown>>(
    parsed,
    schema,
    { group, version, kind },
    fieldValidationOf(context),
  );
  for (const warning of warnings) context.warnings.push(warning);
  if (!object.name) throw invalid({ group, kind }, '', [required('name', 'name is missing')]);
  return object;
}
