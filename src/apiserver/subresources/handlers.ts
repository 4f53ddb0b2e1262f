/** Which subresources there are, and who answers them. */
import type { KindDefinition } from '../../api/kinds/kind.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

export type SubresourceHandler = (
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
) => Promise<ApiResponse> | ApiResponse;

/** A subresource as discovery publishes it. */
export interface SubresourceFacts {
  name: string;
  verbs: readonly string[];
  /** Kind of body and answer when it is not the object itself. */
  type?: { group: string; version: string; kind: string };
  /** Only in these versions, such as `apps/v1beta1`. */
  versions?: readonly string[];
}

interface Entry extends SubresourceFacts {
  handler: SubresourceHandler;
  appliesTo(resource: ServedResource): boolean;
}

export class SubresourceHandlers {
  readonly #entries: Entry[] = [];

  /** `appliesTo`: `pods`, `apps/deployments`, or a rule. */
  add(
    facts: SubresourceFacts,
    appliesTo: string | ((definition: KindDefinition) => boolean),
    handler: SubresourceHandler,
  ): void {
    const applies =
      typeof appliesTo === 'string'
        ? ({ definition: { type } }: ServedResource) =>
            (type.group ? `${type.group}/${type.plural}` : type.plural) === appliesTo
        : ({ definition }: ServedResource) => appliesTo(definition);
    const { versions } = facts;
    const isServed = ({ apiVersion }: ServedResource) => !versions || versions.includes(apiVersion);
    this.#entries.push({
      ...facts,
      handler,
      appliesTo: (resource) => isServed(resource) && applies(resource),
    });
  }

  find(resource: ServedResource, name: string): SubresourceHandler | undefined {
    if (name === '') return undefined;
    return this.#entries.find((entry) => entry.name === name && entry.appliesTo(resource))?.handler;
  }

  /** For discovery. */
  of(resource: ServedResource): readonly SubresourceFacts[] {
    return this.#entries.filter((entry) => entry.appliesTo(resource));
  }
}
