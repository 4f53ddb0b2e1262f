/**
 * What the generic code must know of a kind beyond its schema. Built-in kinds state it in one file each
 * (`src/api/<group>/<kind>.ts`); a CustomResourceDefinition builds the same at run time.
 */

import type { KubeObject, ResourceType } from '../meta.ts';
import type { FieldError } from '../validation/field-error.ts';

/** One column of a kind's table, as `kubectl get` prints it. */
export interface Column<T extends KubeObject = KubeObject> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: string;
  description?: string;
  /** 0: always shown; 1: with `-o wide`. */
  priority?: number;
  cell(object: T, context: CellContext): unknown;
}

export interface CellContext {
  /** Milliseconds since the Unix epoch; ages count from it. */
  nowMs: number;
  /** The version that the client reads, such as `autoscaling/v2`. */
  apiVersion?: string;
}

/** What a validator may ask about the request that it serves. */
export interface ValidationContext {
  /** `status`, `scale`, … or '' for the object itself. */
  subresource: string;
  /** The version that the client spoke: errors name its fields, and some old versions had laxer rules. */
  apiVersion?: string;
  /** True when {@link KindDefinition.validateUpdate} is asked as well. */
  isUpdate?: boolean;
}

/** A version in which a kind is served besides the stored one, possibly under another group. */
export interface ServedVersion {
  group: string;
  version: string;
  /** Name of its definition in the schema facts. */
  schema: string;
  /** The Kind there, when it differs. */
  kind?: string;
  /** Defaults that only this old version has; runs on the object as the client sent it, before conversion. */
  defaults?(object: KubeObject): void;
  /** Converts what a client sent in this version to the stored one. Must not lose anything. */
  toStored(object: KubeObject): KubeObject;
  /** The inverse. */
  fromStored(object: KubeObject): KubeObject;
  /** Fields that selectors may name in this version, when they differ. */
  selectableFields?(object: KubeObject): Record<string, string>;
  /** Columns in this version, when they differ: their cells read the object as this version has it. */
  columns?: readonly Column[];
  /** What happens to dependents on a delete in this version when the client does not say (old versions orphan them). */
  defaultPropagation?: 'background' | 'orphan';
  deprecation?: Deprecation;
}

/** Makes every answer carry a warning. */
export interface Deprecation {
  since: string;
  /** Instead of the sentence that the other fields make. */
  warning?: string;
  removedIn?: string;
  replacement?: string;
}

/** How the status subresource and the spec share an object; `none`: the kind has no status subresource. */
export type StatusStrategy = 'separate' | 'none';

/** Where an object keeps what its `/scale` shows, as paths into it. */
export interface ScalePaths {
  specReplicas: string;
  statusReplicas: string;
  labelSelector?: string;
}

/** Of all built-in kinds that can be scaled. */
export const replicasAsScale: ScalePaths = {
  specReplicas: '.spec.replicas',
  statusReplicas: '.status.replicas',
  labelSelector: '.spec.selector',
};

export interface KindDefinition<T extends KubeObject = KubeObject> {
  type: ResourceType<T>;
  /** Name of the stored version's definition in the schema facts. */
  schema: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  /** Verbs served; all of the usual eight when absent. `[]` with only `create`: a review kind that is never stored. */
  verbs?: readonly string[];
  /** Storage location under /registry, when it is not `<plural>` (upstream's layout, e.g. `services/specs`). */
  storagePrefix?: string;
  status: StatusStrategy;
  /** Present when the kind has a scale subresource: dotted paths as in a CustomResourceDefinition. */
  scale?: ScalePaths;
  columns: readonly Column<T>[];
  versions: readonly ServedVersion[];
  /**
   * Defaults that the schema cannot express; runs on the stored version on every write and read. Assigns only what has
   * another value yet: unchanged parts of the object are frozen.
   */
  defaults?(object: T): void;
  /** Defaults that are the time of the request: for an object as the client sent it, before ownership is known. */
  defaultTimes?(object: T, now: string): void;
  /**
   * What a create drops or sets before validation (status reset, generation, spec of finalizers …); `warnings` takes what
   * can no longer be told afterwards.
   */
  prepareCreate?(object: T, warnings?: string[]): void;
  /** What an update of the object itself carries over from the old one (status, immutable server-side facts). */
  prepareUpdate?(object: T, old: T, now: string): void;
  /** What an update through `/status` carries over: normally everything except the status. */
  prepareStatusUpdate?(object: T, old: T, now: string): void;
  /** True when metadata.generation counts changes of the spec. */
  hasGeneration?: boolean;
  validate(object: T, context: ValidationContext): Iterable<FieldError>;
  /** Runs after `validate` (before it, when `updateRulesFirst`), with the object as it will be stored. */
  validateUpdate?(object: T, old: T, context: ValidationContext): Iterable<FieldError>;
  /**
   * Instead of the two above, for objects that may be large: whoever asks for the steps may let others run between them.
   * `old`: undefined for a new object.
   */
  validateInSteps?(
    object: T,
    old: T | undefined,
    context: ValidationContext,
  ): Generator<void, Iterable<FieldError>>;
  /** True when errors about forbidden changes come before those about the object itself. */
  updateRulesFirst?: boolean;
  /** The group that validation errors name, when it is not the kind's own: upstream keeps the first one of moved kinds. */
  errorGroup?: string;
  /** The errors of a name, in upstream's words; when absent, names are DNS subdomains. */
  validateName?(name: string, field: string): Iterable<FieldError>;
  /** Values for `--field-selector`, besides metadata.name and metadata.namespace. */
  selectableFields?(object: T): Record<string, string>;
  /** Of the stored version, when it is on its way out itself. */
  deprecation?: Deprecation;
  /** Warnings for the client (headers), e.g. for a deprecated annotation. */
  warnings?(object: T, old: T | undefined): Iterable<string>;
  /** The grace period in seconds when the object is deleted gracefully (pods); undefined: none. */
  gracePeriodSeconds?(object: T, requested: number | undefined): number | undefined;
  /**
   * What happens to dependents on a delete without a propagation policy (old versions orphan them); `background` when
   * absent.
   */
  defaultPropagation?: 'background' | 'orphan';
  /** What a client is warned of that deletes without a propagation policy. */
  deletionWarning?: string;
  /** What else changes when a deleted object stays for its grace period or finalizers (a namespace's phase). */
  prepareDeletion?(object: T): void;
  /** Finalizers that a delete adds: the server cleans up before the object goes. */
  deletionFinalizers?: readonly string[];
  /** True when a delete answers with the object that is gone instead of a Status, as upstream does for some kinds. */
  returnsDeleted?: boolean;
  /** True when a PUT of an object that is not there creates it. */
  createsOnUpdate?: boolean;
  /** True when a PUT must name the resourceVersion that it replaces. */
  requiresVersionOnUpdate?: boolean;
}
