/**
 * What a write through a subresource may change: that part comes from the client, and for some kinds the metadata, too.
 */

import { datedConditions } from '../../api/certificates/certificate-signing-request.ts';
import type { KubeObject } from '../../api/meta.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import type { CertificateSigningRequestCondition } from '../../api/types/certificates-v1.gen.ts';

type AnyObject = KubeObject & { spec?: Record<string, unknown>; status?: Record<string, unknown> };
/** `now`: RFC 3339. */
type Prepare = (object: AnyObject, old: AnyObject, now: string) => void;

interface ContainerLike {
  name: string;
  resources?: unknown;
  resizePolicy?: unknown;
}

const lists = ['containers', 'initContainers'];

/** By plural and subresource; `status` is the kind's own affair. */
const prepares: Readonly<Record<string, Prepare>> = {
  'namespaces/finalize'(object, old) {
    const finalizers = object.spec?.finalizers;
    object.status = old.status;
    object.spec = { ...old.spec };
    if (Array.isArray(finalizers) && finalizers.length > 0) object.spec.finalizers = finalizers;
    else delete object.spec.finalizers;
  },
  'pods/ephemeralcontainers'(object, old) {
    const containers = object.spec?.ephemeralContainers;
    keepAllOf(object, old);
    object.spec = { ...old.spec, ...(containers !== undefined && { ephemeralContainers: containers }) };
  },
  'pods/resize'(object, old) {
    const { spec } = object;
    // What was added, removed or renamed stays, for validation to refuse.
    if (!spec || !old.spec || lists.some((list) => lengthOf(spec[list]) !== lengthOf(old.spec![list])))
      return;
    keepAllOf(object, old);
    object.spec = { ...old.spec, ...(spec.resources !== undefined && { resources: spec.resources }) };
    for (const list of lists) {
      const before = old.spec[list] as ContainerLike[] | undefined;
      if (before) object.spec[list] = resized(before, spec[list] as ContainerLike[]);
    }
  },
  'certificatesigningrequests/approval'(object, old, now) {
    const conditionsOf = ({ status }: AnyObject) =>
      (status?.conditions ?? []) as CertificateSigningRequestCondition[];
    const conditions = datedConditions(conditionsOf(object), conditionsOf(old), now);
    const { conditions: _, ...status } = (old.status ?? {}) as { conditions?: unknown };
    object.spec = old.spec;
    object.status = { ...status, ...(conditions.length > 0 && { conditions }) };
  },
};

export function prepareSubresource(plural: string, subresource: string): Prepare | undefined {
  return prepares[`${plural}/${subresource}`];
}

/** The managed fields are those of this write; a resourceVersion was checked already. */
function keepAllOf(object: AnyObject, old: AnyObject): void {
  const { managedFields } = object.metadata;
  const target = asJsonObject(object);
  for (const key of Object.keys(target)) delete target[key];
  Object.assign(target, structuredClone(old));
  if (managedFields) object.metadata.managedFields = managedFields;
}

function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}

/** The containers of old with the resources of new. */
function resized(before: readonly ContainerLike[], wanted: readonly ContainerLike[]): ContainerLike[] {
  if (before.some(({ name }, index) => wanted[index]!.name !== name)) return [...wanted];
  return before.map(({ resources: _, resizePolicy: __, ...container }, index) => {
    const { resources, resizePolicy } = wanted[index]!;
    return {
      ...container,
      ...(resources !== undefined && { resources }),
      ...(resizePolicy !== undefined && { resizePolicy }),
    };
  });
}
