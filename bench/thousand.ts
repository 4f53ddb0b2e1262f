/** How long controllers take to make a Deployment's 1,000 pods. No node may run them, so no kubelet has a share in it; they go with their namespace. */
import { Deployment } from '../src/api/resources.gen.ts';
import type { Client } from '../src/client/client.ts';
import { deploymentOf, isOf, podsBecome } from './pods.ts';

export interface ThousandFigures {
  thousandPodsCreatedSeconds: number;
}

const podsCount = 1_000;
const name = 'thousand';

export async function measureThousand(client: Client, namespace: string): Promise<ThousandFigures> {
  const deployment = deploymentOf(namespace, name, podsCount, 'none');
  deployment.spec!.template.spec!.nodeSelector = { 'wherry.local/bench': 'nowhere' };
  const startMs = performance.now();
  await client.create(Deployment, deployment);
  await podsBecome(client, namespace, (pods) => pods.filter((pod) => isOf(pod, name)).length === podsCount);
  return { thousandPodsCreatedSeconds: Math.round(performance.now() - startMs) / 1000 };
}
