/**
 * Ownership of the number of replicas: converts between an object's managed fields and those of its scale. A scale is
 * never stored, so the object keeps them for it.
 */
import type { KubeObject, ManagedFieldsEntry } from '../../api/meta.ts';
import {
  type Ownership,
  type Ownerships,
  ownershipKey,
  readOrForget,
  writeManagedFields,
} from '../../api/schema/fields/field-owners.ts';
import { difference, type FieldSet, intersection, setOf } from '../../api/schema/fields/field-set.ts';
import { inOneGo } from '../../base/async/turns.ts';

export const scaleApiVersion = 'autoscaling/v1';
const replicasOfScale = setOf(['f:spec', 'f:replicas'])!;

/** The owners of `parent`'s `replicas`, as owners of its scale's. */
export function scaleFields({ metadata }: KubeObject, replicas: FieldSet): ManagedFieldsEntry[] | undefined {
  const owners: Ownerships = new Map();
  for (const owner of inOneGo(readOrForget(metadata.managedFields)).values()) {
    if (!intersection(owner.fields, replicas)) continue;
    const ofScale = { ...owner, apiVersion: scaleApiVersion, fields: replicasOfScale };
    owners.set(ownershipKey(ofScale), ofScale);
  }
  return inOneGo(writeManagedFields(owners));
}

/** `parent`'s managed fields after its scale's have become those of `scale`. */
export function parentFields(
  parent: KubeObject,
  scale: KubeObject,
  { replicas, apiVersion }: { replicas: FieldSet; apiVersion: string },
): ManagedFieldsEntry[] | undefined {
  const ownersOfScale = new Map<string, Ownership>();
  for (const owner of inOneGo(readOrForget(scale.metadata.managedFields)).values())
    if (intersection(owner.fields, replicasOfScale)) ownersOfScale.set(keyInAnyVersion(owner), owner);
  const owners: Ownerships = new Map();
  for (const [key, owner] of inOneGo(readOrForget(parent.metadata.managedFields))) {
    const isOwner = intersection(owner.fields, replicas) !== undefined;
    const stays = !isOwner || ownersOfScale.delete(keyInAnyVersion(owner));
    const fields = stays ? owner.fields : difference(owner.fields, replicas);
    if (fields) owners.set(key, { ...owner, fields });
  }
  for (const owner of ownersOfScale.values()) {
    const ofParent = { ...owner, apiVersion, fields: replicas };
    owners.set(ownershipKey(ofParent), ofParent);
  }
  return inOneGo(writeManagedFields(owners));
}

function keyInAnyVersion(owner: Ownership): string {
  return ownershipKey({ ...owner, apiVersion: '' });
}
