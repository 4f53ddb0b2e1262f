/** Which resources are served at the moment: built-in kinds from the start, custom ones as they come and go. */
import type { KindDefinition, ServedVersion } from '../../api/kinds/kind.ts';
import { apiVersionOf } from '../../api/meta.ts';
import { applySchemaDefaults, hasSchemaDefaults } from '../../api/schema/defaults.ts';
import type { Completion } from '../watch-cache/cached-object.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import type { StoreView } from '../watch-cache/store-view.ts';
import { type ResourceCodec, schemaCodec } from './conversion/codec.ts';
import type { VersionConverter } from './conversion/version-converter.ts';

/** The verbs of an ordinary resource, as discovery lists them. */
const allVerbs: readonly string[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** The same, in the order in which upstream lists those of custom resources. */
const customVerbs: readonly string[] = [
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'create',
  'update',
  'watch',
];

/** A kind in one of the versions in which it is served. */
export interface ServedResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  /** Name of this version's definition in the schema facts. */
  readonly schema: string;
  readonly definition: KindDefinition;
  /** Undefined when this is the stored version. */
  readonly served: ServedVersion | undefined;
  readonly verbs: ReadonlySet<string>;
  /** Custom kinds: items of lists carry their kind, and selectors and patches work as for unknown types. */
  readonly isCustom: boolean;
  /** Undefined for kinds that are never stored (reviews). */
  readonly cache: ResourceCache | undefined;
  readonly codec: ResourceCodec;
  /** The codec of the stored version. */
  readonly storedCodec: ResourceCodec;
  /** Of custom kinds whose versions a webhook converts. */
  readonly converter: VersionConverter | undefined;
}

export interface KindOptions {
  isCustom?: boolean;
  /** Of the kind in the version named; the schema facts give it when absent. */
  codecFor?(version: string): ResourceCodec;
  converter?: VersionConverter;
}

/** How objects of a built-in kind get defaults that a version which stored them did not have. */
function completionOf({ schema, defaults }: KindDefinition): Completion | undefined {
  if (!defaults && !hasSchemaDefaults(schema)) return undefined;
  return (object) => {
    applySchemaDefaults(schema, object);
    defaults?.(object);
  };
}

export class KindRegistry {
  readonly #view: StoreView;
  readonly #resources = new Map<string, ServedResource>();
  readonly #definitions = new Set<KindDefinition>();
  readonly #listeners = new Set<() => void>();
  /** Grows with every change: what is computed from the kinds is remade when it differs. */
  generation = 0;

  constructor(view: StoreView) {
    this.#view = view;
  }

  add(definition: KindDefinition, options: KindOptions = {}): void {
    this.#definitions.add(definition);
    const { type } = definition;
    const { isCustom = false, converter } = options;
    const verbs = new Set(definition.verbs?.toSorted() ?? (isCustom ? customVerbs : allVerbs));
    const isStored = verbs.has('get') || verbs.has('list');
    const completion = isCustom ? undefined : completionOf(definition);
    const cache = isStored
      ? this.#view.claim(definition.storagePrefix ?? type.plural, completion)
      : undefined;
    const storedCodec =
      options.codecFor?.(type.version) ?? schemaCodec({ ...type, schema: definition.schema });
    const shared = { definition, verbs, cache, isCustom, converter, storedCodec };
    this.#put({
      ...shared,
      codec: storedCodec,
      group: type.group,
      version: type.version,
      plural: type.plural,
      kind: type.kind,
      apiVersion: apiVersionOf(type),
      namespaced: type.namespaced,
      schema: definition.schema,
      served: undefined,
    });
    for (const served of definition.versions) {
      const kind = served.kind ?? type.kind;
      this.#put({
        ...shared,
        codec: options.codecFor?.(served.version) ?? schemaCodec({ ...served, kind }),
        group: served.group,
        version: served.version,
        plural: type.plural,
        kind,
        apiVersion: apiVersionOf(served),
        namespaced: type.namespaced,
        schema: served.schema,
        served,
      });
    }
    this.#changed();
  }

  /** Its objects stay in the store; removing a kind for good requires deleting them first. */
  remove(definition: KindDefinition): void {
    this.#definitions.delete(definition);
    for (const [key, resource] of this.#resources)
      if (resource.definition === definition) this.#resources.delete(key);
    this.#changed();
  }

  find(group: string, version: string, plural: string): ServedResource | undefined {
    return this.#resources.get(`${group}/${version}/${plural}`);
  }

  /** By Kind instead of plural. */
  findKind(group: string, version: string, kind: string): ServedResource | undefined {
    for (const resource of this.#resources.values())
      if (resource.kind === kind && resource.group === group && resource.version === version) return resource;
    return undefined;
  }

  /** The stored version of a resource, whatever version is asked for. */
  findStored(group: string, plural: string): ServedResource | undefined {
    for (const resource of this.#resources.values())
      if (!resource.served && resource.plural === plural && resource.group === group) return resource;
    return undefined;
  }

  hasGroup(group: string): boolean {
    for (const resource of this.#resources.values()) if (resource.group === group) return true;
    return false;
  }

  isCustomGroup(group: string): boolean {
    for (const resource of this.#resources.values())
      if (resource.group === group && !resource.isCustom) return false;
    return true;
  }

  all(): Iterable<ServedResource> {
    return this.#resources.values();
  }

  definitions(): Iterable<KindDefinition> {
    return this.#definitions;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #put(resource: ServedResource): void {
    this.#resources.set(`${resource.group}/${resource.version}/${resource.plural}`, resource);
  }

  #changed(): void {
    this.generation++;
    for (const listener of this.#listeners) listener();
  }
}
