/** Which images were asked for, how long their pulls took, and why images were removed, under upstream's names. */
import type { MetricsRegistry } from '../../base/metrics.ts';

export interface ImageMetrics {
  pulled(sizeBytes: number, seconds: number): void;
  /** A container, or a volume, was to have an image. */
  requested(policy: PullPolicy, found: ImageFindings): void;
  /** `space`: the disk was full; `age`: nothing had used it for too long. */
  collected(reason: 'space' | 'age'): void;
}

export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

/** Each absent as long as it is not known. */
export interface ImageFindings {
  isPresent?: boolean;
  mustPull?: boolean;
}

const pullBuckets = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];
const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;
/** The largest that is exceeded counts. */
const sizes: readonly [aboveBytes: number, label: string][] = [
  [0, '0-10MB'],
  [10 * mebibyte, '10MB-100MB'],
  [100 * mebibyte, '100MB-500MB'],
  [500 * mebibyte, '500MB-1GB'],
  [gibibyte, '1GB-5GB'],
  [5 * gibibyte, '5GB-10GB'],
  [10 * gibibyte, '10GB-20GB'],
  [20 * gibibyte, '20GB-30GB'],
  [30 * gibibyte, '30GB-40GB'],
  [40 * gibibyte, '40GB-60GB'],
  [60 * gibibyte, '60GB-100GB'],
  [100 * gibibyte, 'GT100GB'],
];

export function imageMetrics(registry: MetricsRegistry): ImageMetrics {
  const pulls = registry.histogram(
    'kubelet_image_pull_duration_seconds',
    'Duration in seconds to pull an image.',
    pullBuckets,
  );
  const collected = registry.counter(
    'kubelet_image_garbage_collected_total',
    'Total number of images garbage collected by the kubelet, whether through disk usage or image age.',
  );
  const requests = registry.counter(
    'kubelet_image_manager_ensure_image_requests_total',
    'Number of ensure-image requests processed by the kubelet.',
  );
  return {
    requested: (policy, { isPresent, mustPull }) =>
      requests.add(1, {
        pull_policy: policy.toLowerCase(),
        present_locally: String(isPresent ?? 'unknown'),
        pull_required: String(mustPull ?? 'unknown'),
      }),
    pulled: (sizeBytes, seconds) => pulls.observe(seconds, { image_size_in_bytes: sizeLabel(sizeBytes) }),
    collected: (reason) => collected.add(1, { reason }),
  };
}

function sizeLabel(bytes: number): string {
  return sizes.findLast(([aboveBytes]) => bytes > aboveBytes)?.[1] ?? 'N/A';
}
