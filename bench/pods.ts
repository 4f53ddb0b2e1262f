/** How long pods take: the first one, forty at once, their going, and a rolling update of ten. Needs nodes with the image. */

import type { Draft } from '../src/api/meta.ts';
import { Deployment, Pod } from '../src/api/resources.gen.ts';
import type { Client } from '../src/client/client.ts';

export interface PodFigures {
  firstPodReadySeconds: number;
  fortyPodsReadySeconds: number;
  fortyPodsGoneSeconds: number;
  rollingUpdateOfTenSeconds: number;
}

const waitMs = 600_000;

export async function measurePods(client: Client, namespace: string, image: string): Promise<PodFigures> {
  const started = performance.now();
  await client.create(Pod, { metadata: { name: 'first', namespace }, spec: podSpec(image) });
  await podsBecome(client, namespace, (pods) => pods.some(isReady));
  const firstPodReadySeconds = since(started);

  const many = performance.now();
  await client.create(Deployment, deploymentOf(namespace, 'forty', 40, image));
  await podsBecome(
    client,
    namespace,
    (pods) => pods.filter((pod) => isOf(pod, 'forty') && isReady(pod)).length === 40,
  );
  const fortyPodsReadySeconds = since(many);

  const going = performance.now();
  await client.delete(Deployment, { namespace, name: 'forty' }, { propagationPolicy: 'Background' });
  await podsBecome(client, namespace, (pods) => !pods.some((pod) => isOf(pod, 'forty')));
  const fortyPodsGoneSeconds = since(going);

  await client.create(Deployment, deploymentOf(namespace, 'ten', 10, image));
  await podsBecome(
    client,
    namespace,
    (pods) => pods.filter((pod) => isOf(pod, 'ten') && isReady(pod)).length === 10,
  );
  const rolling = performance.now();
  const template = { metadata: { annotations: { round: '2' } } };
  await client.patch(Deployment, { namespace, name: 'ten' }, { spec: { template } }, { type: 'strategic' });
  await podsBecome(
    client,
    namespace,
    (pods) =>
      pods.filter((pod) => isUpdated(pod) && isReady(pod)).length === 10 &&
      !pods.some((pod) => isOf(pod, 'ten') && !isUpdated(pod) && !pod.metadata.deletionTimestamp),
  );
  return {
    firstPodReadySeconds,
    fortyPodsReadySeconds,
    fortyPodsGoneSeconds,
    rollingUpdateOfTenSeconds: since(rolling),
  };
}

export function deploymentOf(
  namespace: string,
  name: string,
  replicas: number,
  image: string,
): Draft<Deployment> {
  const labels = { app: name };
  return {
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels } as never, spec: podSpec(image) },
    },
  };
}

/** Ends at once on request, so that what is measured is the cluster's share. */
function podSpec(image: string) {
  return {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'c', image, imagePullPolicy: 'IfNotPresent' as const }],
  };
}

/** Follows the namespace's pods by watch until the condition holds. */
export async function podsBecome(
  client: Client,
  namespace: string,
  condition: (pods: Pod[]) => boolean,
): Promise<void> {
  const { items, metadata } = await client.list(Pod, { namespace });
  const pods = new Map(items.map((pod) => [pod.metadata.name, pod]));
  if (condition([...pods.values()])) return;
  const query = { namespace, resourceVersion: metadata.resourceVersion };
  for await (const event of client.watch(Pod, query, AbortSignal.timeout(waitMs))) {
    if (event.type === 'DELETED') pods.delete(event.object.metadata.name);
    else if (event.type !== 'BOOKMARK') pods.set(event.object.metadata.name, event.object);
    if (condition([...pods.values()])) return;
  }
  throw new Error(`the pods are not as expected after ${waitMs} ms`);
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

export function isOf(pod: Pod, app: string): boolean {
  return pod.metadata.labels?.app === app;
}

function isUpdated(pod: Pod): boolean {
  return isOf(pod, 'ten') && pod.metadata.annotations?.round === '2';
}

function since(startMs: number): number {
  return Math.round(performance.now() - startMs) / 1000;
}
