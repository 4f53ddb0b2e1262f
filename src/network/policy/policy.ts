/**
 * Network policies of a node: follows policies (and, while there are any, pods and namespaces of the whole cluster),
 * and keeps the kernel's table as plan.ts decides.
 */
import { Namespace, NetworkPolicy, Pod } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { createCommandRunner, type RunCommand } from '../command.ts';
import { keepTable } from '../nftables/kept-table.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { type PolicyPlan, planPolicies } from './plan.ts';
import { diffText, policyTable, removeText, replaceText } from './table.ts';

export interface PolicyOptions {
  nodeName: string;
  /** The address at which the node answers for cluster DNS. */
  dnsAddress?: string;
  informers: InformerFactory;
  /** Pods of this node, by addresses that they have here before the API knows. */
  localPods?(): Iterable<{ pod: Pod; ips: readonly string[] }>;
  clock: Clock;
  logger: Logger;
  /** How to run `nft`; directly when absent. */
  run?: RunCommand;
}

export interface Policies extends Pick<SyncLoop, 'settled' | 'problem'> {
  /**
   * Resolves when the policies known at the time of the call apply to the pods that `localPods` returns at that time.
   */
  inForce(): Promise<void>;
}

/**
 * Resolves when the policies known at that time apply; follows them until `signal` aborts, and leaves the rules in
 * place.
 */
export async function startPolicy(options: PolicyOptions, signal: AbortSignal): Promise<Policies> {
  const { informers, clock, logger } = options;
  const run = options.run ?? createCommandRunner();
  const table = new PolicyTable(run);
  const policies = informers.of(NetworkPolicy);
  await policies.synced();
  let isFollowing = false;
  const sync = async () => {
    if (policies.list()[Symbol.iterator]().next().done && !isFollowing) return table.remove();
    if (!isFollowing) {
      await followCluster(informers, loop);
      isFollowing = true;
    }
    await table.set(planOf(options));
  };
  const loop = createSyncLoop(
    { clock, logger, failure: 'network policies could not be applied', sync },
    signal,
  );
  policies.handle({ added: loop.touch, updated: loop.touch, deleted: loop.touch });
  loop.touch();
  await loop.settled();
  const restore = () => {
    table.forget();
    loop.touch();
  };
  void keepTable({ name: policyTable, clock, logger, run, isWanted: () => table.isThere, restore }, signal);
  return {
    settled: loop.settled,
    problem: loop.problem,
    async inForce() {
      if (policies.list()[Symbol.iterator]().next().done) return;
      loop.touch();
      await loop.settled();
    },
  };
}

/** The kernel's table of policies. */
class PolicyTable {
  readonly #run: RunCommand;
  /** What the kernel has; unknown at first and after a failure. */
  #applied: PolicyPlan | undefined;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  get isThere(): boolean {
    return this.#applied !== undefined;
  }

  /** It may be as it should be, or not. */
  forget(): void {
    this.#applied = undefined;
  }

  async set(plan: PolicyPlan): Promise<void> {
    const text = this.#applied ? diffText(this.#applied, plan) : replaceText(plan);
    if (text !== '') await this.#apply(text);
    this.#applied = plan;
  }

  remove(): Promise<void> {
    return this.#apply(removeText);
  }

  async #apply(text: string): Promise<void> {
    this.forget();
    await this.#run('nft', ['-f', '-'], text);
  }
}

function planOf({ nodeName, dnsAddress, informers, localPods }: PolicyOptions): PolicyPlan {
  return planPolicies({
    nodeName,
    ...(dnsAddress !== undefined && { dnsAddress }),
    policies: [...informers.of(NetworkPolicy).list()],
    pods: withLocalAddresses(informers.of(Pod).list(), localPods?.() ?? []),
    namespaces: informers.of(Namespace).list(),
  });
}

/** Resolves when pods and namespaces are known; from then on their changes touch the loop. */
async function followCluster(informers: InformerFactory, loop: SyncLoop): Promise<void> {
  const pods = informers.of(Pod);
  const namespaces = informers.of(Namespace);
  await Promise.all([pods.synced(), namespaces.synced()]);
  const touchPod = (pod: Pod, old?: Pod) => {
    if (!old || factsOf(pod) !== factsOf(old)) loop.touch();
  };
  pods.handle({ added: (pod) => touchPod(pod), updated: touchPod, deleted: (pod) => touchPod(pod) });
  namespaces.handle({ added: loop.touch, updated: loop.touch, deleted: loop.touch });
}

/** The node knows the addresses of its own pods before the API does. */
function withLocalAddresses(
  pods: Iterable<Pod>,
  local: Iterable<{ pod: Pod; ips: readonly string[] }>,
): Pod[] {
  const byUid = new Map([...pods].map((pod) => [pod.metadata.uid, pod]));
  for (const { pod, ips } of local) {
    const address = ips.find((ip) => ip.includes('.'));
    if (address === undefined) continue;
    const { status } = byUid.get(pod.metadata.uid) ?? pod;
    byUid.set(pod.metadata.uid, { ...pod, status: { ...status, podIP: address } });
  }
  return [...byUid.values()];
}

/** The part of a pod on which policies depend and that may change. */
function factsOf({ metadata, spec, status }: Pod): string {
  return JSON.stringify([metadata.labels, spec?.nodeName, status?.podIP, status?.phase]);
}
