/** The AdmissionReview that a webhook receives, the one that it returns, and a request as CEL sees it. */
import { schemaNameOf } from '../../api/kinds/define-kind.ts';
import type { GroupVersionKind, KubeObject } from '../../api/meta.ts';
import { decodeParsed } from '../../api/schema/body/body.ts';
import type { StatusDetails } from '../../api/status.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import { toStoredVersion } from '../registry/conversion/codec.ts';
import { convertFromStored } from '../registry/conversion/conversion.ts';
import { converting } from '../registry/conversion/version-converter.ts';
import type { ServedResource } from '../registry/kind-registry.ts';

/** `request` of an AdmissionReview, the same in its v1 and v1beta1. */
export interface AdmissionRequest extends Record<string, unknown> {
  uid: string;
  operation: string;
  name: string;
  namespace?: string;
  object: KubeObject | null;
  oldObject: KubeObject | null;
}

export interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  status?: { code?: number; message?: string; reason?: string; details?: StatusDetails };
  /** Base64 of an RFC 6902 patch. */
  patch?: string;
  patchType?: string;
  warnings?: string[];
  auditAnnotations?: Record<string, string>;
}

/** `shown`: the version in which the receiver wants objects. */
export async function admissionRequestOf(
  attributes: AdmissionAttributes,
  shown: ServedResource,
  uid: string,
): Promise<AdmissionRequest> {
  return await converting(() => requestOf(attributes, shown, uid));
}

function requestOf(attributes: AdmissionAttributes, shown: ServedResource, uid: string): AdmissionRequest {
  const { request, operation, old, object, objectKind, options } = attributes;
  const asked = request.resource;
  const { user } = request;
  return {
    uid,
    kind: objectKind ?? kindOf(shown),
    resource: resourceOf(shown),
    ...(request.subresource && { subResource: request.subresource }),
    requestKind: objectKind ?? kindOf(asked),
    requestResource: resourceOf(asked),
    ...(request.subresource && { requestSubResource: request.subresource }),
    name: nameOf(attributes),
    ...namespaceOf(attributes),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid && { uid: user.uid }),
      groups: user.groups,
      ...(user.extra && { extra: user.extra }),
    },
    object: withVersionOf(objectKind ? structuredClone(object!) : viewFor(shown, object), old),
    oldObject: objectKind && old ? structuredClone(old) : viewFor(shown, old),
    dryRun: request.dryRun,
    options:
      operation === 'CONNECT'
        ? null
        : { ...shownOptions[operation], ...(options ?? request.options), ...metaVersion },
  };
}

/** A request to delete a collection names no object, though each is reviewed by itself. */
function nameOf({ request, name, object }: AdmissionAttributes): string {
  return request.verb === 'deletecollection' ? '' : name || (object?.metadata.name ?? '');
}

/** A new namespace counts as being within itself, as one that is there does by its path. */
function namespaceOf({ request, name, object }: AdmissionAttributes): { namespace?: string } {
  const { group, plural } = request.resource;
  const own = group === '' && plural === 'namespaces' ? name || object?.metadata.name : '';
  const namespace = request.namespace || own;
  return namespace ? { namespace } : {};
}

const metaVersion = { apiVersion: 'meta.k8s.io/v1' };
/** A patch is presented as the update that results from it. */
const shownOptions: Readonly<Record<string, object>> = {
  CREATE: { kind: 'CreateOptions' },
  UPDATE: { kind: 'UpdateOptions' },
  DELETE: { kind: 'DeleteOptions' },
};

/** A change that names no version applies to the present one. */
function withVersionOf(object: KubeObject | null, old: KubeObject | undefined): KubeObject | null {
  const resourceVersion = old?.metadata.resourceVersion;
  if (!object || !resourceVersion || object.metadata.resourceVersion) return object;
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

/** What became of the object that was shown, as the attributes hold it. @throws StatusError when it does not fit its kind */
export async function objectAfter(
  { objectKind, object: before, old }: AdmissionAttributes,
  shown: ServedResource,
  mutated: Record<string, unknown>,
  unknownFields: 'Ignore' | 'Strict' = 'Ignore',
): Promise<KubeObject> {
  const parsed = { value: mutated, problems: [] };
  const stored = objectKind
    ? decodeParsed<KubeObject>(parsed, schemaOfKind(objectKind), objectKind, unknownFields).object
    : await converting(() => toStoredVersion(shown, shown.codec.decode(parsed, unknownFields).object));
  // It was shown the present version; the client did not ask for it.
  if (!before?.metadata.resourceVersion && stored.metadata?.resourceVersion === old?.metadata.resourceVersion)
    delete (stored.metadata as { resourceVersion?: string }).resourceVersion;
  return stored;
}

export function schemaOfKind({ group, version, kind }: GroupVersionKind): string {
  return schemaNameOf(group, version, kind);
}

/** An own copy of a stored-version object, as the receiver's version shows it. */
function viewFor(shown: ServedResource, object: KubeObject | undefined): KubeObject | null {
  return object ? convertFromStored(shown, structuredClone(object)) : null;
}

function kindOf({ group, version, kind }: ServedResource) {
  return { group, version, kind };
}

function resourceOf({ group, version, plural }: ServedResource) {
  return { group, version, resource: plural };
}
