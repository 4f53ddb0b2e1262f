import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultThresholds } from '../eviction/eviction-plan.ts';
import {
  effectiveConfiguration,
  type KubeletConfiguration,
  type KubeletSettings,
  kubeletSettings,
  parseKubeletConfiguration,
} from './configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const settingsOf = (configuration: KubeletConfiguration) =>
  kubeletSettings(parseKubeletConfiguration({ ...head, ...configuration }));

test('without a file everything is as upstream has it', () => {
  const settings = kubeletSettings();
  assert.equal(settings.podsMax, 110);
  const [ofMachine] = defaultThresholds;
  const ofPods = { ...ofMachine!, signal: 'allocatableMemory.available' as const };
  assert.deepEqual(settings.evictionThresholds, [...defaultThresholds, ofPods]);
  assert.deepEqual(settings.imageGc, {
    highPercent: 85,
    lowPercent: 80,
    ageMinMs: 120_000,
    ageMaxMs: undefined,
  });
  assert.deepEqual(settings.logs, { sizeMaxBytes: 10 * 1024 ** 2, filesMax: 5, everyMs: 10_000 });
  assert.equal(effectiveConfiguration().evictionHard!['memory.available'], '100Mi');
});

test('what nobody can set is shown as well, as far as it is not empty', () => {
  const shown = effectiveConfiguration({ maxPods: 5 }) as Record<string, unknown>;
  const names = [
    'maxPods',
    'syncFrequency',
    'cgroupDriver',
    'port',
    'shutdownGracePeriod',
    'readOnlyPort',
    'logging',
  ];
  assert.deepEqual(
    names.map((name) => shown[name]),
    [5, '1m0s', 'cgroupfs', 10250, '0s', undefined, undefined],
  );
});

test('thresholds: absolute, as a part, soft with their grace, and how much more is reclaimed', () => {
  const { evictionThresholds } = settingsOf({
    evictionHard: { 'memory.available': '1Gi', 'nodefs.available': '0%' },
    evictionSoft: { 'nodefs.inodesFree': '7.5%' },
    evictionSoftGracePeriod: { 'nodefs.inodesFree': '1m30s' },
    evictionMaxPodGracePeriod: 5,
    evictionMinimumReclaim: { 'memory.available': '512Mi' },
  });
  const memory = { minimum: 1024 ** 3, minimumText: '1Gi', reclaim: 512 * 1024 ** 2 };
  assert.deepEqual(evictionThresholds, [
    { signal: 'memory.available', ...memory },
    { signal: 'nodefs.inodesFree', minimum: { percent: 7.5 }, graceMs: 90_000, podGraceSeconds: 5 },
    { signal: 'allocatableMemory.available', ...memory },
  ]);
});

test('hard thresholds that are given replace the usual ones, or are added to them where asked', () => {
  const evictionHard = { 'memory.available': '1Gi' };
  const signals = ({ evictionThresholds }: KubeletSettings) => evictionThresholds.map(({ signal }) => signal);
  assert.deepEqual(signals(settingsOf({ evictionHard })), [
    'memory.available',
    'allocatableMemory.available',
  ]);
  const merged = settingsOf({ evictionHard, mergeDefaultEvictionSettings: true });
  assert.deepEqual(signals(merged), signals(kubeletSettings()));
  assert.equal(merged.evictionThresholds[0]!.minimum, 1024 ** 3);
});

test('pulls one at a time, or a limited number at once', () => {
  assert.equal(settingsOf({}).parallelPullsMax, undefined);
  assert.equal(settingsOf({ serializeImagePulls: true }).parallelPullsMax, 1);
  assert.equal(settingsOf({ maxParallelImagePulls: 3 }).parallelPullsMax, 3);
  assert.equal(settingsOf({}).pullVerification.policy, 'NeverVerifyPreloadedImages');
});

test("a file may name fields with what is so anyway, and Go's empty values for defaults", () => {
  const source = {
    authorization: { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '0s', cacheUnauthorizedTTL: '0s' } },
    clusterDomain: '',
    cgroupDriver: 'cgroupfs',
    cpuManagerPolicy: 'none',
    cpuManagerReconcilePeriod: '0s',
    evictionPressureTransitionPeriod: '0s',
    imageMinimumGCAge: '0s',
    maxPods: 0,
    logging: { verbosity: 0, options: { json: { infoBufferSize: '0' } } },
    memorySwap: {},
    nodeStatusReportFrequency: '5m0s',
    syncFrequency: '60s',
    userNamespaces: { idsPerPod: 65_536 },
  };
  const parsed = parseKubeletConfiguration({ ...head, ...source });
  assert.deepEqual(parsed, head);
  assert.equal(kubeletSettings(parsed).pressureStaysMs, 300_000);
});

test('containers without a seccomp profile, and waits before restarts, are as the file says', () => {
  const usual = settingsOf({});
  assert.deepEqual([usual.seccompDefault, usual.restartWaitMaxMs], [false, 300_000]);
  const given = settingsOf({
    seccompDefault: true,
    crashLoopBackOff: { maxContainerRestartPeriod: '30s' },
  });
  assert.deepEqual([given.seccompDefault, given.restartWaitMaxMs], [true, 30_000]);
});

const refused: [what: string, source: object, words: RegExp][] = [
  ['another kind', { kind: 'KubeProxyConfiguration' }, /no KubeletConfiguration of/],
  ['a field that nobody knows', { maxPodz: 1 }, /^maxPodz: not a field that has an effect here$/],
  [
    'another value of a field that has one here',
    { cpuManagerPolicy: 'static' },
    /^cpuManagerPolicy: only "none" is supported$/,
  ],
  [
    'what the cluster sets',
    { clusterDNS: ['10.0.0.10'] },
    /^clusterDNS: is set by the cluster and cannot be given$/,
  ],
  [
    'a wait before restarts that is too long',
    { crashLoopBackOff: { maxContainerRestartPeriod: '10m' } },
    /^crashLoopBackOff\.maxContainerRestartPeriod: 10m must be between 1s and 5m0s$/,
  ],
  ['a wrong type', { maxPods: '20' }, /^maxPods: must be a number$/],
  ['an unknown signal', { evictionHard: { 'cpu.available': '1' } }, /unknown eviction signal cpu\.available/],
  [
    'a bad amount',
    { evictionHard: { 'memory.available': '101%' } },
    /invalid value for memory\.available: 101%/,
  ],
  [
    'a soft threshold without a grace',
    { evictionSoft: { 'memory.available': '1Gi' } },
    /grace period must be specified for the soft eviction threshold memory\.available/,
  ],
  ['a bad duration', { imageMinimumGCAge: '2 minutes' }, /^imageMinimumGCAge: invalid duration 2 minutes$/],
  [
    'thresholds of images the wrong way round',
    { imageGCHighThresholdPercent: 50 },
    /imageGCLowThresholdPercent \(80\) must be less than imageGCHighThresholdPercent \(50\)/,
  ],
  ['too few log files', { containerLogMaxFiles: 1 }, /containerLogMaxFiles: must be greater than 1/],
];
for (const [what, source, words] of refused) {
  test(`a file with ${what} is refused`, () => {
    assert.throws(() => parseKubeletConfiguration({ ...head, ...source }), { message: words });
  });
}
