/** `kubectl get componentstatuses`: the health of the control plane's components, checked on request. */
import { componentStatusKind } from '../../api/core/component-status.ts';
import type { ComponentStatus } from '../../api/resources.gen.ts';
import { parseFieldSelector, parseLabelSelector } from '../../api/selectors/selectors.ts';
import { notFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Delegate } from '../handler.ts';
import type { RequestContext } from '../request.ts';
import { type HealthCheck, problemOf } from './health.ts';

const resource = { group: '', plural: 'componentstatuses' };
/** As upstream's message has it, for this kind alone. */
const singular = { group: '', plural: 'componentstatus' };
const identity = { apiVersion: 'v1', kind: 'ComponentStatus' };

export class ComponentStatuses {
  readonly #clock: Clock;
  readonly #checks: HealthCheck[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `name` as upstream has it: `scheduler`, `controller-manager`, `etcd-0`. */
  add(check: HealthCheck): void {
    this.#checks.push(check);
  }

  readonly delegate: Delegate = (context) => {
    const { group, version, resource: plural, verb, subresource } = context.info;
    if (group !== resource.group || version !== 'v1' || plural !== resource.plural || subresource)
      return undefined;
    if ((verb !== 'get' && verb !== 'list') || context.request.method !== 'GET') return undefined;
    context.warnings.push('v1 ComponentStatus is deprecated in v1.19+');
    return verb === 'get' ? this.#get(context.info.name) : this.#list(context);
  };

  async #get(name: string) {
    const check = this.#checks.find((each) => each.name === name);
    if (!check) throw notFound(singular, name);
    return { ...answer, object: { ...identity, ...(await this.#statusOf(check)) } };
  }

  async #list({ request: { query } }: RequestContext) {
    const labels = parseLabelSelector(query.get('labelSelector') ?? '');
    const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
    const asked = this.#checks.filter(
      ({ name }) => labels.matches({}) && fields.matches({ 'metadata.name': name }),
    );
    const items = await Promise.all(asked.map((check) => this.#statusOf(check)));
    return {
      ...answer,
      object: { apiVersion: 'v1', kind: 'ComponentStatusList', metadata: {}, items },
    };
  }

  async #statusOf(check: HealthCheck): Promise<Pick<ComponentStatus, 'metadata' | 'conditions'>> {
    const problem = await problemOf(check, this.#clock);
    const status = problem === undefined ? 'True' : 'False';
    return {
      metadata: { name: check.name } as ComponentStatus['metadata'],
      conditions: [{ type: 'Healthy', status, message: problem ?? 'ok' }],
    };
  }
}

const answer = { type: 'plain', status: 200, columns: componentStatusKind.columns! } as const;
