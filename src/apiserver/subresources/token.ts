/** `serviceaccounts/token`: a signed token for a service account, bound to the object that the request names. */

import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { Node, Pod, Secret, type ServiceAccount } from '../../api/resources.gen.ts';
import { decodeParsed } from '../../api/schema/body/body.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { trackUpdate } from '../../api/schema/fields/managed-fields.ts';
import { formatTime } from '../../api/schema/time.ts';
import { badRequest, conflict, invalid, methodNotAllowed, notFound } from '../../api/status.ts';
import { type FieldError, invalidValue } from '../../api/validation/field-error.ts';
import type { BoundObject } from '../authentication/service-account-tokens.ts';
import { nodeOfPod } from '../authorization/node-authorizer.ts';
import type { ObjectReader } from '../object-reader.ts';
import { readParsedBody } from '../registry/conversion/codec.ts';
import { type Registry, readCurrent, type WriteRequest } from '../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import type { RequestContext } from '../request.ts';
import type { Security } from '../security.ts';
import type { SubresourceHandler } from './handlers.ts';

export const tokenRequestType = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };
const schema = 'io.k8s.api.authentication.v1.TokenRequest';
const expirationSecondsMin = 600;
const expirationSecondsMax = 2 ** 32;
const expirationSecondsDefault = 3600;

interface TokenRequest extends KubeObject {
  spec: {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
}

export function serveToken(security: Security, objects: ObjectReader): SubresourceHandler {
  return async (registry, context, resource) => {
    const { info } = context;
    if (info.verb !== 'create') throw methodNotAllowed();
    const { serviceAccounts } = security;
    if (!serviceAccounts) throw badRequest('this server has no key to sign tokens with');
    const asked = await readTokenRequest(context);
    const current = await readCurrent(registry, resource, info.namespace, info.name);
    const account = current.object as ServiceAccount;
    checkNames(asked, account);
    const request = await admitRequest(registry, writeRequest(context, resource), asked, account);
    checkUid(request, account);
    const { expirationSeconds = expirationSecondsDefault } = request.spec;
    checkExpiration(expirationSeconds);
    const { name, namespace = '', uid } = account.metadata;
    const { defaultAudiences } = serviceAccounts;
    const audiences = request.spec.audiences?.length ? request.spec.audiences : defaultAudiences;
    const { id, ...status } = serviceAccounts.issue({
      namespace,
      serviceAccount: { name, uid },
      audiences,
      expirationSeconds,
      ...findBound(objects, request, account),
    });
    if (context.annotations)
      context.annotations['authentication.kubernetes.io/issued-credential-id'] = `JTI=${id}`;
    const { boundObjectRef = null } = request.spec;
    return {
      type: 'plain',
      status: 201,
      object: {
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: made(registry, request, { name, namespace, uid }),
        spec: { audiences, expirationSeconds, boundObjectRef },
        status,
      },
    };
  };
}

/** The body, which always says for how long the token is to be valid. */
async function readTokenRequest(context: RequestContext): Promise<TokenRequest> {
  const parsed = await readParsedBody(context.request, { kind: tokenRequestType.kind, schema });
  const { object: asked, warnings } = decodeParsed<TokenRequest & Record<string, unknown>>(
    parsed,
    schema,
    tokenRequestType,
    fieldValidationOf(context),
  );
  for (const warning of warnings) context.warnings.push(warning);
  asked.metadata ??= {} as KubeObject['metadata'];
  const expirationSeconds = asked.spec?.expirationSeconds ?? expirationSecondsDefault;
  asked.spec = { ...asked.spec, expirationSeconds };
  return asked;
}

/** What admission makes of the request: it sees one whose fields have a manager. */
async function admitRequest(
  registry: Registry,
  write: WriteRequest,
  asked: TokenRequest,
  { metadata: { name } }: ServiceAccount,
): Promise<TokenRequest> {
  trackRequest(registry, write, asked);
  return await registry.admission.admitPart({
    operation: 'CREATE',
    request: write,
    object: asked,
    objectKind: tokenRequestType,
    old: undefined,
    name,
  });
}

/** A request is made now, and about the account that it names. */
function made(
  { clock }: Registry,
  { metadata: { labels, annotations, managedFields } }: TokenRequest,
  identity: { name: string; namespace: string; uid: string | undefined },
): object {
  return {
    ...identity,
    creationTimestamp: formatTime(clock.now()),
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(managedFields && { managedFields }),
  };
}

function trackRequest(registry: Registry, write: WriteRequest, asked: TokenRequest): void {
  trackUpdate(undefined, asJsonObject(asked), {
    schema,
    apiVersion: `${tokenRequestType.group}/${tokenRequestType.version}`,
    subresource: write.subresource,
    manager: write.fieldManager,
    time: formatTime(registry.clock.now()),
  });
}

function checkNames({ metadata }: TokenRequest, account: ServiceAccount): void {
  const { name, namespace = '' } = account.metadata;
  if ((metadata.namespace || namespace) !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  if (!metadata.name || metadata.name === name) return;
  const why = 'must match the service account name if specified';
  throw invalid(tokenRequestType, name, [invalidValue('metadata.name', metadata.name, why)]);
}

/** A client that names the account's UID gets no token for one that was made anew. @throws StatusError 409 */
function checkUid(
  { metadata: { uid: asked } }: TokenRequest,
  { metadata: { name, uid } }: ServiceAccount,
): void {
  if (!asked || asked === uid) return;
  const { group, kind: plural } = tokenRequestType;
  const why = `the UID in the token request (${asked}) does not match the UID of the service account (${uid})`;
  throw conflict({ group, plural }, name, why);
}

function checkExpiration(seconds: number): void {
  const errors: FieldError[] = [];
  if (seconds < expirationSecondsMin)
    errors.push(
      invalidValue('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes'),
    );
  if (seconds > expirationSecondsMax)
    errors.push(
      invalidValue('spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds'),
    );
  if (errors.length > 0) throw invalid(tokenRequestType, '', errors);
}

const bindable: Readonly<Record<string, ResourceType>> = { Pod, Secret, Node };

function findBound(
  objects: ObjectReader,
  request: TokenRequest,
  account: ServiceAccount,
): { bound?: BoundObject; node?: { name: string; uid?: string } } {
  const ref = request.spec?.boundObjectRef;
  if (!ref) return {};
  const type = bindable[ref.kind ?? ''];
  const { apiVersion = 'v1' } = ref;
  const hasGroup = apiVersion.includes('/');
  // Of the core group any version will do.
  if (!type || hasGroup)
    throw badRequest(
      `cannot bind token to object of type ${hasGroup ? '' : '/'}${apiVersion}, Kind=${ref.kind}`,
    );
  const namespace = account.metadata.namespace ?? '';
  const name = ref.name ?? '';
  if (!name) throw badRequest('Name parameter required.');
  const found = objects.get(type, namespace, name);
  if (!found) throw notFound({ group: '', plural: type.plural }, name);
  if (ref.uid && ref.uid !== found.metadata.uid)
    throw conflict(
      { group: '', plural: type.kind },
      name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  const bound = { kind: ref.kind as BoundObject['kind'], name, uid: found.metadata.uid };
  if (ref.kind !== 'Pod') return { bound };
  const pod = found as Pod;
  if ((pod.spec?.serviceAccountName ?? '') !== account.metadata.name)
    throw badRequest(
      `cannot bind token for serviceaccount "${account.metadata.name}" to pod running with different serviceaccount name.`,
    );
  const node = nodeOfPod(objects, pod);
  return { bound, ...(node && { node }) };
}
