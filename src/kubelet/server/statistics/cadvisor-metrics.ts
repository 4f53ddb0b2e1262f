/** `/metrics/cadvisor`: figures of containers, pods and the node, under cAdvisor's names and labels. */
import { milliValueOf, wholeValueOf } from '../../../api/quantities/quantity.ts';
import { sandboxImageOf } from '../../images/sandbox-image.ts';
import type { Kubelet } from '../../kubelet.ts';
import type { FilesystemUse, MachineFacts, NamedGroup } from '../../machine.ts';
import type { PodWorker } from '../../pod/pod-worker.ts';
import { containerFamilies, type Subject } from './cadvisor-families.ts';
import { expose, type Family, type Sample } from './exposition.ts';
import type { ContainerSample, PodSample, Summary } from './stats-summary.ts';

export function cadvisorText(subjects: readonly Subject[], facts: MachineFacts): string {
  return expose([...subjectFamilies(subjects), ...machineFamilies(facts), ...scrapeFamilies]);
}

function subjectFamilies(subjects: readonly Subject[]): Family[] {
  return containerFamilies.map(([name, type, help, values]) => {
    const samples: Sample[] = [];
    for (const subject of subjects)
      for (const [value, more] of values(subject))
        if (value !== undefined)
          samples.push({
            labels: { ...subject.labels, ...more },
            value,
            timeMs: Date.parse(subject.memory.time),
          });
    return { name, type, help, samples };
  });
}

function machineFamilies(facts: MachineFacts): Family[] {
  const labels = { boot_id: facts.bootId, machine_id: facts.machineId, system_uuid: facts.systemUuid };
  const figures: [name: string, help: string, value: number | undefined][] = [
    ['machine_cpu_cores', 'Number of logical CPU cores.', facts.cpuCores],
    ['machine_memory_bytes', 'Amount of memory installed on the machine.', facts.memoryBytes],
    ['machine_swap_bytes', 'Amount of swap of the machine, in bytes.', facts.swapBytes],
    ['machine_cpu_physical_cores', "Cores of the machine's processors.", facts.physicalCores],
    ['machine_cpu_sockets', 'Processors of the machine.', facts.sockets],
  ];
  const version = {
    cadvisorRevision: '',
    cadvisorVersion: '',
    dockerVersion: '',
    kernelVersion: facts.kernelVersion,
    osVersion: facts.osImage,
  };
  return [
    ...figures.flatMap(([name, help, value]) =>
      value === undefined ? [] : gauge(name, help, { labels, value }),
    ),
    gauge('cadvisor_version_info', 'Always 1; kernel and operating system of the machine.', {
      labels: version,
      value: 1,
    }),
  ];
}

/** A scrape that gets an answer at all is complete. */
const scrapeFamilies: readonly Family[] = [
  gauge('machine_scrape_error', '1 when figures of the machine could not be had, else 0.', {
    labels: {},
    value: 0,
  }),
  gauge('container_scrape_error', '1 if there was an error while getting container metrics, 0 otherwise', {
    labels: {},
    value: 0,
  }),
];

function gauge(name: string, help: string, sample: Sample): Family {
  return { name, help, type: 'gauge', samples: [sample] };
}

/** Reads what the summary lacks, and combines it all. */
export async function cadvisorMetrics(
  kubelet: Kubelet,
  summary: Summary,
  facts: MachineFacts,
): Promise<string> {
  const { machine } = kubelet.context;
  const { nodeFs, imageFs, imageFsIsApart } = await machine.usage();
  const activities = await machine.diskActivities();
  const withActivity = (use: FilesystemUse) => {
    const activity = activities.get(use.device ?? '');
    return activity ? { ...use, activity } : use;
  };
  const node: Subject = {
    labels: labelsOf({ id: '/' }),
    cpu: summary.node.cpu,
    memory: summary.node.memory,
    interfaces: await machine.interfaceUsages(),
    filesystems: [
      ...(nodeFs ? [withActivity(nodeFs)] : []),
      ...(imageFs && imageFsIsApart ? [withActivity(imageFs)] : []),
    ],
  };
  const { startTime } = summary.node;
  const { time } = summary.node.cpu;
  const classes = (await machine.cgroups.classGroups()).map((group) =>
    groupSubject(group, labelsOf({ id: group.path }), { time, startTime }),
  );
  const sandboxImage = (await sandboxImageOf(kubelet.context.runtime)) ?? '';
  const pods = await Promise.all(
    summary.pods.map((pod) => {
      const worker = kubelet.pods.find(pod.podRef.uid);
      return worker ? podSubjects(kubelet, worker, pod, sandboxImage) : [];
    }),
  );
  return cadvisorText([node, ...classes, ...pods.flat()], facts);
}

/** What the control group says; `startTime`: since when it is there. */
function groupSubject(
  { usage, details }: NamedGroup,
  labels: Subject['labels'],
  { time, startTime }: { time: string; startTime: string },
): Subject {
  return {
    labels,
    cpu: { time, usageCoreNanoSeconds: usage.cpuUsageNanoSeconds },
    memory: {
      time,
      usageBytes: usage.memoryUsageBytes,
      workingSetBytes: usage.memoryWorkingSetBytes,
      rssBytes: usage.memoryRssBytes,
    },
    details,
    startSeconds: Date.parse(startTime) / 1000,
    memoryLimitBytes: details.memoryLimitBytes,
  };
}

async function podSubjects(
  kubelet: Kubelet,
  worker: PodWorker,
  pod: PodSample,
  sandboxImage: string,
): Promise<Subject[]> {
  const { machine } = kubelet.context;
  const containers = await Promise.all(
    pod.containers.map((container) => containerSubject(kubelet, worker, pod, container)),
  );
  const { name, namespace, uid } = pod.podRef;
  const { time } = pod.cpu;
  const own = { namespace, pod: name };
  const group = await machine.cgroups.podGroup(uid);
  if (!group) return containers;
  const subjects = [
    groupSubject(group, labelsOf({ id: group.path, ...own }), { time, startTime: pod.startTime }),
    ...containers,
  ];
  const sandbox = worker.observed.sandboxes.find(({ ready }) => ready);
  const inner = sandbox && (await machine.cgroups.podGroup(uid, sandbox.id));
  if (!inner) return subjects;
  const labels = labelsOf({ id: inner.path, image: sandboxImage, name: sandbox.id, ...own });
  const startTime = new Date(sandbox.createdAtMs).toISOString();
  const subject = groupSubject(inner, labels, { time, startTime });
  // The traffic of a pod is attributed to its sandbox, as in cAdvisor; on the host's network it is the node's.
  const { firstPid } = inner.details;
  const hasTraffic = !sandbox.onHostNetwork && firstPid !== undefined;
  const interfaces = hasTraffic ? await machine.interfaceUsages(firstPid) : [];
  return [...subjects, { ...subject, interfaces }];
}

async function containerSubject(
  kubelet: Kubelet,
  worker: PodWorker,
  pod: PodSample,
  container: ContainerSample,
): Promise<Subject> {
  const { name, namespace, uid } = pod.podRef;
  const observed = worker.observed.containers.find(
    (each) => each.name === container.name && each.state === 'running',
  );
  const id = observed?.id ?? '';
  const found = await kubelet.context.machine.cgroups.containerDetails(uid, id);
  const labels = labelsOf({
    container: container.name,
    id: found?.path ?? `/kubepods/pod${uid}/${id}`,
    image: observed?.image ?? '',
    name: id,
    namespace,
    pod: name,
  });
  const { rootfs } = container as { rootfs?: { usedBytes?: number } };
  return {
    labels,
    cpu: container.cpu,
    memory: container.memory,
    startSeconds: Date.parse(container.startTime) / 1000,
    ...(found && { details: found.details }),
    ...(rootfs?.usedBytes !== undefined && { filesystemBytes: rootfs.usedBytes }),
    ...limitsOf(worker, container.name),
  };
}

/** A container without a memory limit has 0, as in cAdvisor. */
function limitsOf(worker: PodWorker, name: string): Pick<Subject, 'memoryLimitBytes' | 'cpuLimitCores'> {
  const { containers, initContainers = [] } = worker.grantedPod.spec;
  const limits = [...containers, ...initContainers].find((each) => each.name === name)?.resources?.limits;
  const cores = limits?.cpu === undefined ? undefined : milliValueOf(limits.cpu) / 1000;
  return {
    memoryLimitBytes: limits?.memory === undefined ? 0 : wholeValueOf(limits.memory),
    ...(cores !== undefined && { cpuLimitCores: cores }),
  };
}

function labelsOf(own: Record<string, string>): Record<string, string> {
  return { container: '', id: '', image: '', name: '', namespace: '', pod: '', ...own };
}
