/** Workloads for tests, as a user would write them. */

import type { Draft } from '../../src/api/meta.ts';
import type {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';

const namespace = 'default';

function template(app: string, image: string, more: object = {}) {
  return {
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 2, containers: [{ name: 'c', image }], ...more },
  };
}

export function deploymentOf(
  name: string,
  replicas: number,
  image = 'web:1',
  spec: object = {},
): Draft<Deployment> {
  const selector = { matchLabels: { app: name } };
  return sparse<Draft<Deployment>>({
    metadata: { name, namespace },
    spec: { replicas, selector, template: template(name, image), ...spec },
  });
}

export function replicaSetOf(name: string, replicas: number, image = 'plain:1'): Draft<ReplicaSet> {
  const selector = { matchLabels: { app: name } };
  return sparse<Draft<ReplicaSet>>({
    metadata: { name, namespace },
    spec: { replicas, selector, template: template(name, image) },
  });
}

export function replicationControllerOf(name: string, replicas: number): Draft<ReplicationController> {
  return sparse<Draft<ReplicationController>>({
    metadata: { name, namespace },
    spec: { replicas, selector: { app: name }, template: template(name, 'plain:1') },
  });
}

export function statefulSetOf(
  name: string,
  replicas: number,
  image = 'db:1',
  spec: object = {},
): Draft<StatefulSet> {
  const selector = { matchLabels: { app: name } };
  return sparse<Draft<StatefulSet>>({
    metadata: { name, namespace },
    spec: { replicas, serviceName: name, selector, template: template(name, image), ...spec },
  });
}

export function daemonSetOf(name: string, image = 'agent:1', spec: object = {}): Draft<DaemonSet> {
  const selector = { matchLabels: { app: name } };
  return sparse<Draft<DaemonSet>>({
    metadata: { name, namespace },
    spec: { selector, template: template(name, image), ...spec },
  });
}

/** `script`: what its containers run, e.g. `sleep 1; exit 0`. */
export function jobOf(name: string, script: string, spec: object = {}): Draft<Job> {
  const containers = [{ name: 'c', image: 'busybox', command: ['sh', '-c', script] }];
  return sparse<Draft<Job>>({
    metadata: { name, namespace },
    spec: {
      template: { metadata: { labels: { app: name } }, spec: { restartPolicy: 'Never', containers } },
      ...spec,
    },
  });
}

/** Every minute, unless `spec` has another schedule. */
export function cronJobOf(name: string, script: string, spec: object = {}): Draft<CronJob> {
  const jobTemplate = { spec: jobOf(name, script).spec };
  return {
    metadata: { name, namespace },
    spec: { schedule: '* * * * *', jobTemplate, ...spec },
  } as Draft<CronJob>;
}

export function withImage(image: string): object {
  return { spec: { template: { spec: { containers: [{ name: 'c', image }] } } } };
}
