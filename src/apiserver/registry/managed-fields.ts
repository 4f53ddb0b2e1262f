/** Managed fields of plain writes (server-side apply has its own way): who owns what after a create or an update. */
import type { KubeObject } from '../../api/meta.ts';
import type { Registry, WriteRequest } from './registry.ts';

export function trackCreate(_registry: Registry, _request: WriteRequest, object: KubeObject): void {
  delete object.metadata.managedFields;
}

export function trackUpdate(
  _registry: Registry,
  _request: WriteRequest,
  object: KubeObject,
  old: KubeObject,
): void {
  if (old.metadata.managedFields) object.metadata.managedFields = [...old.metadata.managedFields];
  else delete object.metadata.managedFields;
}
