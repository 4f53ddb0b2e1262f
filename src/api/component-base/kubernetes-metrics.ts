/** The stability levels of Kubernetes' metrics, by name, as a registry of metrics shows them. */
import { MetricsRegistry } from '../../base/metrics.ts';
import { versionInfo } from './version-info.ts';

export type MetricStability = 'ALPHA' | 'BETA' | 'STABLE';

/** A registry that says of each metric how stable it is and how many of each there are, and names the component's version. */
export function createKubernetesMetrics(): MetricsRegistry {
  const registry = new MetricsRegistry({ stabilityOf });
  registry.collected(
    'registered_metrics_total',
    'How many metrics there are, by stability.',
    () => {
      const counts = new Map<MetricStability, number>();
      for (const name of registry.names()) {
        const level = stabilityOf(name);
        if (level) counts.set(level, (counts.get(level) ?? 0) + 1);
      }
      return [...counts].map(([stability_level, value]) => ({
        labels: { deprecated_version: '', stability_level },
        value,
      }));
    },
    'counter',
  );
  // Every metric is shown, and none can be turned off.
  for (const fate of ['hidden', 'disabled'])
    registry.collected(
      `${fate}_metrics_total`,
      `How many metrics are ${fate}.`,
      () => [{ value: 0 }],
      'counter',
    );
  collectBuildInfo(registry);
  return registry;
}

const versionLabels: Readonly<Record<string, string>> = {
  major: 'major',
  minor: 'minor',
  gitVersion: 'git_version',
  gitCommit: 'git_commit',
  gitTreeState: 'git_tree_state',
  buildDate: 'build_date',
  goVersion: 'go_version',
  compiler: 'compiler',
  platform: 'platform',
};

function collectBuildInfo(metrics: MetricsRegistry): void {
  const info = versionInfo();
  const labels = Object.fromEntries(
    Object.entries(versionLabels).map(([field, label]) => [label, String(info[field as keyof typeof info])]),
  );
  metrics.collected(
    'kubernetes_build_info',
    'A metric with a constant value of 1, labeled by versions.',
    () => [{ labels, value: 1 }],
  );
}

/** Undefined for those that are not Kubernetes' own: of the process, and of CoreDNS. */
export function stabilityOf(name: string): MetricStability | undefined {
  if (/^(process|nodejs|coredns|wherry)_/.test(name)) return undefined;
  if (stable.has(name)) return 'STABLE';
  return beta.has(name) ? 'BETA' : 'ALPHA';
}

const withPrefix = (prefix: string, ...names: string[]) => names.map((name) => `${prefix}_${name}`);

const stable: ReadonlySet<string> = new Set([
  ...withPrefix(
    'apiserver',
    'admission_controller_admission_duration_seconds',
    'admission_step_admission_duration_seconds',
    'admission_webhook_admission_duration_seconds',
    'current_inflight_requests',
    'longrunning_requests',
    'request_duration_seconds',
    'request_total',
    'requested_deprecated_apis',
    'response_sizes',
    'storage_objects',
    'storage_size_bytes',
  ),
  'cronjob_controller_job_creation_skew_duration_seconds',
  ...withPrefix(
    'job_controller',
    'job_pods_finished_total',
    'job_sync_duration_seconds',
    'job_syncs_total',
    'jobs_finished_total',
  ),
  'kubernetes_healthcheck',
  'kubernetes_healthchecks_total',
  'node_collector_evictions_total',
  ...withPrefix('container', 'cpu_usage_seconds_total', 'memory_working_set_bytes', 'start_time_seconds'),
  ...withPrefix('node', 'cpu_usage_seconds_total', 'memory_working_set_bytes'),
  ...withPrefix('pod', 'cpu_usage_seconds_total', 'memory_working_set_bytes'),
  'resource_scrape_error',
  ...withPrefix(
    'scheduler',
    'framework_extension_point_duration_seconds',
    'pending_pods',
    'pod_scheduling_attempts',
    'preemption_attempts_total',
    'preemption_victims',
    'queue_incoming_pods_total',
    'schedule_attempts_total',
    'scheduling_attempt_duration_seconds',
  ),
]);

const beta: ReadonlySet<string> = new Set([
  ...['authentication', 'authorization'].flatMap((part) =>
    withPrefix(
      `apiserver_${part}_config_controller_automatic`,
      'reload_last_timestamp_seconds',
      'reloads_total',
    ),
  ),
  ...withPrefix('apiserver_cel', 'compilation_duration_seconds', 'evaluation_duration_seconds'),
  ...withPrefix(
    'apiserver_flowcontrol',
    'current_executing_requests',
    'current_executing_seats',
    'current_inqueue_requests',
    'dispatched_requests_total',
    'nominal_limit_seats',
    'rejected_requests_total',
    'request_wait_duration_seconds',
  ),
  'apiserver_storage_events_received_total',
  ...withPrefix('apiserver_validating_admission_policy_check', 'duration_seconds', 'total'),
  'apiserver_watch_list_duration_seconds',
  'disabled_metrics_total',
  'hidden_metrics_total',
  'registered_metrics_total',
  'kubernetes_build_info',
  'kubernetes_feature_enabled',
  ...withPrefix('kubelet_image_volume', 'mounted_errors_total', 'mounted_succeed_total', 'requested_total'),
  'prober_probe_total',
  'running_managed_controllers',
  'scheduler_pod_scheduling_sli_duration_seconds',
  ...withPrefix(
    'workqueue',
    'adds_total',
    'depth',
    'longest_running_processor_seconds',
    'queue_duration_seconds',
    'retries_total',
    'unfinished_work_seconds',
    'work_duration_seconds',
  ),
]);
