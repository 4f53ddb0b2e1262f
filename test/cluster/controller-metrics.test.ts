import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  CronJob,
  Endpoints,
  Event,
  HorizontalPodAutoscaler,
  Job,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { cronJobOf, jobOf, replicaSetOf, statefulSetOf } from './workloads.ts';

const namespace = 'default';

/** The value of a series, e.g. `name{label="value"}`; undefined when there is none. */
function sampleOf({ metrics }: Cluster, series: string): number | undefined {
  const line = metrics
    .expose()
    .split('\n')
    .find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

test('metrics that dashboards query exist before anything happens', async () => {
  await using cluster = await createCluster({ nodes: 0 });
  await cluster.clock.advance(1_000);
  for (const series of [
    'cronjob_controller_job_creation_skew_duration_seconds_count',
    'replicaset_controller_sorting_deletion_age_ratio_count',
    'ttl_after_finished_controller_job_deletion_duration_seconds_count',
    'garbagecollector_controller_resources_sync_error_total',
    'taint_eviction_controller_pod_deletions_total',
    'device_taint_eviction_controller_pod_deletions_total',
    'endpoint_slice_controller_num_endpoint_slices',
    'endpoint_slice_mirroring_controller_num_endpoint_slices',
    'ephemeral_volume_controller_create_total',
    'horizontal_pod_autoscaler_controller_num_horizontal_pod_autoscalers',
    'workqueue_depth{name="deployment"}',
    'workqueue_depth{name="stale_pod_disruption"}',
    'workqueue_adds_total{name="garbage_collector_attempt_to_delete"}',
  ])
    assert.equal(sampleOf(cluster, series), 0, series);
});

/** Queues of work that upstream does without a queue, or not at all. */
const ownQueues = ['attachdetach', 'hostpath-provisioner'];
const upstreamQueues = [
  ...['ClusterRoleAggregator', 'bootstrap_signer_queue', 'certificate', 'cidrallocator_node', 'claims'],
  ...['cronjob', 'daemonset', 'deployment', 'device-taint-eviction-controller', 'disruption', 'endpoint'],
  ...[
    'endpoint_slice',
    'endpoint_slice_mirroring',
    'ephemeral_volume',
    'garbage_collector_attempt_to_delete',
    'garbage_collector_attempt_to_orphan',
  ],
  ...['horizontalpodautoscaler', 'ipaddresses', 'job', 'namespace', 'node_lifecycle_controller'],
  ...['noexec_taint_node', 'pvcprotection', 'pvprotection', 'replicaset', 'replicationmanager'],
  ...['resource_claim', 'resourcequota_primary', 'root_ca_cert_publisher', 'service', 'serviceaccount'],
  ...['serviceaccount_tokens_service', 'stale_pod_disruption', 'statefulset', 'token_cleaner'],
  ...['ttl_jobs_to_delete', 'ttlcontroller', 'vacprotection', 'volume_expand', 'volumes'],
];

test("the controllers' queues have upstream's names", async () => {
  await using cluster = await createCluster({ nodes: 0 });
  await cluster.clock.advance(1_000);
  const named = cluster.metrics.expose().matchAll(/^workqueue_depth\{name="([^"]+)"\}/gm);
  const names = new Set([...named].map(([, name]) => name!));
  // Tokens of Secrets need an issuer, which not every cluster has.
  names.add('serviceaccount_tokens_service');
  assert.deepEqual([...names].sort(), [...upstreamQueues, ...ownQueues].sort());
});

test('Jobs are counted by how they end', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const indexed = { completionMode: 'Indexed', completions: 3, backoffLimitPerIndex: 0 };
  const podFailurePolicy = { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }] };
  await client.create(Job, jobOf('works', 'exit 0', { completions: 2, parallelism: 2 }));
  await client.create(Job, jobOf('fails', 'exit 42', { podFailurePolicy }));
  await client.create(Job, jobOf('parts', 'exit 0', indexed));
  await client.create(Job, jobOf('elsewhere', 'exit 0', { managedBy: 'example.com/queue' }));
  await client.create(CronJob, cronJobOf('times', 'exit 0'));
  await cluster.clock.advance(70_000);
  const expected: Record<string, number> = {
    'jobs_finished_total{completion_mode="NonIndexed",result="succeeded",reason="CompletionsReached"}': 2,
    'jobs_finished_total{completion_mode="NonIndexed",result="failed",reason="PodFailurePolicy"}': 1,
    'jobs_finished_total{completion_mode="Indexed",result="succeeded",reason="CompletionsReached"}': 1,
    'job_pods_finished_total{completion_mode="NonIndexed",result="succeeded"}': 3,
    'job_pods_finished_total{completion_mode="NonIndexed",result="failed"}': 1,
    'job_pods_creation_total{reason="new",status="succeeded"}': 7,
    'job_finished_indexes_total{status="succeeded",backoffLimit="perIndex"}': 3,
    'pod_failures_handled_by_failure_policy_total{action="FailJob"}': 1,
    'jobs_by_external_controller_total{controller_name="example.com/queue"}': 1,
    'terminated_pods_tracking_finalizer_total{event="add"}': 7,
    'terminated_pods_tracking_finalizer_total{event="delete"}': 7,
  };
  for (const [series, value] of Object.entries(expected))
    assert.equal(sampleOf(cluster, `job_controller_${series}`), value, series);
  assert.ok(
    sampleOf(
      cluster,
      'job_controller_job_syncs_total{completion_mode="NonIndexed",result="success",action="pods_created"}',
    ),
  );
  assert.equal(sampleOf(cluster, 'cronjob_controller_job_creation_skew_duration_seconds_count'), 1);
});

test('slices, zones and the ages of pods that a scale-down removes are counted', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const ready = (count: number) =>
    cluster.until(async () => {
      const { items } = await client.list(Pod, { namespace });
      return items.length === count && items.every(({ status }) => status?.phase === 'Running');
    });
  const service = { selector: { app: 'web' }, ports: [{ port: 80 }] };
  await client.create(Service, { metadata: { name: 'web', namespace }, spec: service } as Draft<Service>);
  await client.create(ReplicaSet, replicaSetOf('web', 3));
  await ready(3);
  await cluster.clock.advance(2_000);
  assert.equal(sampleOf(cluster, 'endpoint_slice_controller_num_endpoint_slices'), 1);
  assert.equal(sampleOf(cluster, 'endpoint_slice_controller_endpoints_desired'), 3);
  assert.equal(sampleOf(cluster, 'endpoint_slice_controller_changes{operation="create"}'), 1);
  assert.equal(sampleOf(cluster, 'endpoint_slice_controller_endpoints_added_per_sync_sum'), 3);
  await client.patch(ReplicaSet, { name: 'web', namespace }, { spec: { replicas: 1 } }, { type: 'merge' });
  await ready(1);
  assert.equal(sampleOf(cluster, 'replicaset_controller_sorting_deletion_age_ratio_count'), 2);
  assert.equal(sampleOf(cluster, 'node_collector_zone_size{zone=""}'), 1);
  assert.equal(sampleOf(cluster, 'node_collector_zone_health{zone=""}'), 100);
  cluster.nodes[0]!.isSilent = true;
  await cluster.until(async () =>
    (await client.list(Node)).items.every(({ status }) =>
      status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'Unknown'),
    ),
  );
  assert.equal(sampleOf(cluster, 'node_collector_unhealthy_nodes_in_zone{zone=""}'), 1);
});

test("a StatefulSet's metrics show how many of its pods may be unavailable and are", async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const updateStrategy = { rollingUpdate: { maxUnavailable: '50%' } };
  await client.create(StatefulSet, statefulSetOf('db', 5, 'db:1', { updateStrategy }));
  const labels = 'statefulset_namespace="default",statefulset_name="db",pod_management_policy="OrderedReady"';
  const value = (name: string) => sampleOf(cluster, `statefulset_controller_statefulset_${name}{${labels}}`);
  await cluster.until(() => Promise.resolve(value('unavailable_replicas') === 3));
  assert.equal(value('max_unavailable'), 2);
  await cluster.until(() => Promise.resolve(value('unavailable_replicas') === 0));
  await client.delete(StatefulSet, { name: 'db', namespace });
  await cluster.until(() => Promise.resolve(value('max_unavailable') === undefined));
});

test('namespaces that get their authority, and ranges of nodes, are counted', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  const before = sampleOf(cluster, 'root_ca_cert_publisher_sync_total{code="200"}') ?? 0;
  await client.create(Namespace, { metadata: { name: 'team' } } as Draft<Namespace>);
  await client.delete(Node, { name: cluster.nodes[1]!.name });
  await clock.advance(2_000);
  assert.ok(sampleOf(cluster, 'root_ca_cert_publisher_sync_total{code="200"}')! > before);
  const ranges = '{clusterCIDR="10.244.0.0/16"}';
  assert.equal(sampleOf(cluster, `node_ipam_controller_cirdset_max_cidrs${ranges}`), 256);
  assert.equal(sampleOf(cluster, `node_ipam_controller_cidrset_cidrs_allocations_total${ranges}`), 2);
  assert.equal(sampleOf(cluster, `node_ipam_controller_cidrset_cidrs_releases_total${ranges}`), 1);
  assert.equal(sampleOf(cluster, `node_ipam_controller_cidrset_usage_cidrs${ranges}`), 1 / 256);
});

test("an autoscaler's metrics show what it did and what prevented it", async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const make = (name: string, apiVersion: string, kind: string, minReplicas: number) =>
    client.create(HorizontalPodAutoscaler, {
      metadata: { name, namespace },
      spec: { scaleTargetRef: { apiVersion, kind, name }, minReplicas, maxReplicas: 3 },
    } as Draft<HorizontalPodAutoscaler>);
  await client.create(ReplicaSet, replicaSetOf('small', 1));
  await clock.advance(10_000);
  await make('small', 'apps/v1', 'ReplicaSet', 2);
  await make('gone', 'apps/v1', 'ReplicaSet', 1);
  await make('odd', 'apps/v1', 'Oddity', 1);
  await clock.advance(20_000);
  const prefix = 'horizontal_pod_autoscaler_controller';
  const rounds = (action: string, error: string) =>
    sampleOf(cluster, `${prefix}_reconciliations_total{action="${action}",error="${error}"}`);
  assert.equal(rounds('scale_up', 'none'), 1);
  // Of a target that is not there, and of a kind that is not served (yet).
  assert.equal(rounds('none', 'internal'), 2);
  assert.equal(rounds('none', 'spec'), undefined);
  assert.equal(sampleOf(cluster, `${prefix}_num_horizontal_pod_autoscalers`), 3);
  assert.equal(sampleOf(cluster, `${prefix}_desired_replicas{namespace="default",hpa_name="small"}`), 2);
  await clock.advance(15_000);
  const type = 'metric_type="Resource"';
  assert.equal(
    sampleOf(cluster, `${prefix}_metric_computation_total{action="none",error="internal",${type}}`),
    1,
  );
});

test('mirrored Endpoints are counted, and addresses that are too many to mirror', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const ports = [{ port: 80 }];
  await client.create(Service, { metadata: { name: 'db', namespace }, spec: { ports } } as Draft<Service>);
  const addresses = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ ip: `10.1.${at >> 8}.${at & 255}` }));
  const metadata = { name: 'db', namespace };
  await client.create(Endpoints, { metadata, subsets: [{ addresses: addresses(3), ports }] });
  await clock.advance(2_000);
  const value = (name: string) => sampleOf(cluster, `endpoint_slice_mirroring_controller_${name}`);
  assert.equal(value('num_endpoint_slices'), 1);
  assert.equal(value('endpoints_desired'), 3);
  assert.equal(value('endpoints_added_per_sync_sum'), 3);
  assert.equal(value('changes{operation="create"}'), 1);
  const moved = { subsets: [{ notReadyAddresses: addresses(2), ports }] };
  await client.patch(Endpoints, metadata, moved, { type: 'merge' });
  await clock.advance(2_000);
  assert.equal(value('endpoints_updated_per_sync_sum'), 2);
  assert.equal(value('endpoints_removed_per_sync_sum'), 1);
  await client.patch(
    Endpoints,
    metadata,
    { subsets: [{ addresses: addresses(1_002), ports }] },
    { type: 'merge' },
  );
  await clock.advance(2_000);
  // Two at each look at them.
  assert.equal(value('addresses_skipped_per_sync_bucket{le="2"}'), value('addresses_skipped_per_sync_count'));
  assert.ok(value('addresses_skipped_per_sync_sum')! >= 2);
  const [event] = (await client.list(Event, { namespace })).items.filter(
    ({ reason }) => reason === 'TooManyAddressesToMirror',
  );
  assert.match(event?.message ?? '', /^A max of 1000 addresses .* 2 addresses were skipped$/);
  await client.delete(Endpoints, metadata);
  await clock.advance(2_000);
  assert.equal(value('num_endpoint_slices'), 0);
});
