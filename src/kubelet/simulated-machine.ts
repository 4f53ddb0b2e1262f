/** A machine that exists only as numbers, for simulated nodes: no files, no groups; probes ask the simulated runtime. */
import type { SimulatedRuntime } from './cri/simulated/simulated-runtime.ts';
import type { Machine } from './machine.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

export interface SimulatedMachineOptions {
  runtime: Pick<SimulatedRuntime, 'isHealthy'>;
  cpuCores?: number;
  memoryBytes?: number;
  ephemeralStorageBytes?: number;
}

const gibibyte = 1024 ** 3;

export function simulatedMachine(options: SimulatedMachineOptions): Machine {
  const {
    runtime,
    cpuCores = 4,
    memoryBytes = 16 * gibibyte,
    ephemeralStorageBytes = 100 * gibibyte,
  } = options;
  const podLogsDir = '/var/log/pods';
  const refused = 'connection refused';
  return {
    async facts() {
      return {
        cpuCores,
        memoryBytes,
        ephemeralStorageBytes,
        hugepagesBytes: {},
        architecture: 'amd64',
        kernelVersion: 'simulated',
        osImage: 'Wherry (simulated)',
        machineId: '',
        systemUuid: '',
        bootId: '',
        swapBytes: 0,
        hasAppArmor: false,
      };
    },
    async usage() {
      return {};
    },
    files: {
      podLogsDir,
      preparePod: async () => undefined,
      writeHosts: async () => undefined,
      prepareContainer: async () => ({}),
      terminationMessage: async () => undefined,
      hostResolver: async () => ({ servers: [], searches: [], options: [] }),
      hostHosts: async () => '',
      removePod: async () => undefined,
      writableLayers: async () => new Map(),
      listPods: async () => [],
      removeContainerLog: async () => undefined,
    },
    cgroups: {
      prepare: async () => undefined,
      apply: async () => undefined,
      remove: async () => undefined,
      list: async () => [],
      podUsage: async () => undefined,
      podsUsage: async () => undefined,
      podGroup: async () => undefined,
      classGroups: async () => [],
      containerDetails: async () => undefined,
    },
    interfaceUsages: async () => [],
    diskActivities: async () => new Map(),
    dialer: {
      http: async (_check, id) => (runtime.isHealthy(id) ? { status: 200, body: '' } : { error: refused }),
      tcp: async (_target, id) => (runtime.isHealthy(id) ? undefined : refused),
      grpc: async (_target, id) => (runtime.isHealthy(id) ? undefined : refused),
    },
    createVolumes: () => simulatedVolumes,
  };
}

const simulatedVolumes: PodVolumes = {
  setUp: async (pod) =>
    new Map(
      (pod.spec.volumes ?? []).map(({ name, image }) => [
        name,
        image ? { image } : { hostPath: `/simulated/${name}` },
      ]),
    ),
  mountImage: async (_pod, volumeName) => `/simulated/${volumeName}`,
  subPath: async ({ root, subPath }) => `${root}/${subPath}`,
  readFile: async () => undefined,
  refreshDueMs: () => undefined,
  tearDown: async () => undefined,
  list: async () => [],
  usage: async () => [],
  clearUnused: async () => undefined,
  isAttachLimitReached: async () => false,
  volumesInUse: () => [],
};
