/** The input of the documents: the resources that a server serves, as in its discovery. */
import { schemaNameOf } from '../kinds/define-kind.ts';
import { hasSchema } from '../schema/schemas.ts';

/** One entry of an APIResourceList. */
export interface OpenApiResource {
  /** `deployments`, or `deployments/status`. */
  name: string;
  namespaced: boolean;
  kind: string;
  /** Where the kind lives, when it is not the list's own group and version (`autoscaling`, `v1` of a scale). */
  group?: string;
  version?: string;
  verbs: readonly string[];
  /** A delete answers with the object rather than with a Status. */
  returnsDeleted?: boolean;
}

export interface OpenApiGroupVersion {
  group: string;
  version: string;
  resources: readonly OpenApiResource[];
  /** Custom kinds' schemas (`openAPIV3Schema`), by kind. */
  customSchemas?: ReadonlyMap<string, JsonSchema>;
}

/** A schema of a custom resource: the facts' keywords and all the others of JSON schema. */
export type JsonSchema = Record<string, unknown>;

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

export function kindOf(source: OpenApiGroupVersion, resource: OpenApiResource): GroupVersionKind {
  return {
    group: resource.group ?? source.group,
    version: resource.version ?? source.version,
    kind: resource.kind,
  };
}

/** `/api/v1`, `/apis/apps/v1` */
export function rootPath({ group, version }: { group: string; version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

/** `io.k8s.api.apps.v1.Deployment`; of a custom kind `com.example.v1.Widget`. */
export function definitionName(gvk: GroupVersionKind): string {
  const builtIn = schemaNameOf(gvk.group, gvk.version, gvk.kind);
  if (hasSchema(builtIn)) return builtIn;
  return `${gvk.group.split('.').reverse().join('.')}.${gvk.version}.${gvk.kind}`;
}
