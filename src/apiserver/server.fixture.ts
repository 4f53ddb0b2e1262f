/** A server for tests: memory store, virtual clock, seeded randomness, and a simple way to send it requests. */

import { createKubernetesMetrics } from '../api/component-base/kubernetes-metrics.ts';
import { silentLogger } from '../base/logger.ts';
import { seededRandom } from '../base/random.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import type { Transport, TransportRequest } from '../client/transport/transport.ts';
import { createMemoryStore } from '../storage/memory.ts';
import type { Store } from '../storage/store.ts';
import { type ApiServer, createApiServer } from './server.ts';
import type { ApiServerOptions } from './server-options.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Answer = { status: number; object: any };

export interface TestServer extends AsyncDisposable {
  api: ApiServer;
  store: Store;
  clock: VirtualClock;
  transport: Transport;
  /** A request as an administrator. */
  ask(
    method: TransportRequest['method'],
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<Answer>;
}

export async function createTestServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const clock = new VirtualClock();
  const store = options.store ?? createMemoryStore();
  const api = await createApiServer({
    store,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: createKubernetesMetrics(),
    ...options,
  });
  const transport = api.localTransport({ name: 'admin', groups: ['system:masters', 'system:authenticated'] });
  return {
    api,
    store,
    clock,
    transport,
    async ask(method, path, body, contentType) {
      const answer = await transport.send({
        method,
        path,
        ...(body !== undefined && { body }),
        ...(contentType && { contentType }),
      });
      if ('events' in answer) throw new Error('a watch has no single answer');
      return answer;
    },
    [Symbol.asyncDispose]: () => api.close(),
  };
}

export const mergePatch = 'application/merge-patch+json';
export const jsonPatch = 'application/json-patch+json';
export const applyPatchType = 'application/apply-patch+yaml';
export const configMaps = '/api/v1/namespaces/default/configmaps';

export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>) {
  return { metadata: { name, ...(labels && { labels }) }, data };
}
