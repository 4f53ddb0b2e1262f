/**
 * The ingress controller of a node. It serves while an IngressClass names it and the node is the cluster's ingress
 * node: the oldest ready one. HAProxy carries the traffic, and keeps running when this process ends.
 */
import { keyOf } from '../../api/meta.ts';
import { Ingress, IngressClass, Node, Service } from '../../api/resources.gen.ts';
import { isNotFound } from '../../api/status.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import type { Client } from '../../client/client.ts';
import { type EventRecorder, targetOf } from '../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import { serviceSlices } from '../service-slices.ts';
import { createSyncLoop, type SyncLoop } from '../sync-loop.ts';
import { FollowedSecrets } from './followed-secrets.ts';
import { Haproxy } from './haproxy/haproxy.ts';
import { type HaproxyFiles, type HaproxyPlace, writeHaproxyFiles } from './haproxy/haproxy-config.ts';
import { controllerName, isServed } from './ingress-class.ts';
import { accessLogName } from './ingress-objects.ts';
import type { Problem } from './routing/problems.ts';
import { computeRouting, type Routing, type RoutingInput } from './routing.ts';

export interface IngressOptions {
  nodeName: string;
  /** Where HAProxy listens, and what `kubectl get ingress` shows. */
  nodeAddress: string;
  clusterDns: string;
  /**
   * A client that may read Ingresses, their classes, services, endpoints, nodes and secrets, and write the status of
   * Ingresses.
   */
  client: Client;
  informers: InformerFactory;
  recorder: EventRecorder;
  clock: Clock;
  logger: Logger;
  /**
   * For HAProxy's files and socket; `/run/wherry-ingress` when absent. Readable by its owner only: it holds private
   * keys.
   */
  folder?: string;
  /** `/var/log/wherry-ingress.log` when absent. */
  logFile?: string;
  /** 80 and 443 when absent. */
  ports?: { http: number; https: number };
  /** Words before the command, to start HAProxy in another namespace. */
  enter?: readonly string[];
}

/** Checks whether HAProxy still runs, if an earlier agent started it, and how long its log is. */
const lookEveryMs = 2_000;

/** Follows the cluster until `signal` aborts. HAProxy keeps running then; it stops when the controller is disabled. */
export async function startIngress(
  options: IngressOptions,
  signal: AbortSignal,
): Promise<Pick<SyncLoop, 'settled'>> {
  const { informers, clock, logger } = options;
  const classes = informers.of(IngressClass);
  await classes.synced();
  const controller = new IngressController(options, () => loop.touch(), signal);
  const loop = createSyncLoop(
    { clock, logger, failure: 'ingress could not be configured', sync: () => controller.sync() },
    signal,
  );
  classes.handle({ added: loop.touch, updated: loop.touch, deleted: loop.touch });
  loop.touch();
  await loop.settled();
  return loop;
}

class IngressController {
  readonly #options: IngressOptions;
  readonly #touch: () => void;
  readonly #signal: AbortSignal;
  readonly #haproxy: Haproxy;
  readonly #secrets: FollowedSecrets;
  readonly #reported = new Set<string>();
  #following: Promise<void> | undefined;
  #place: HaproxyPlace | undefined;
  #slots: HaproxyFiles['slots'] = new Map();
  #isServing = true;
  #lookTimer: Timer | undefined;

  constructor(options: IngressOptions, touch: () => void, signal: AbortSignal) {
    this.#options = options;
    this.#touch = touch;
    this.#signal = signal;
    this.#secrets = new FollowedSecrets(options.informers, touch);
    const { folder = '/run/wherry-ingress', logFile = `/var/log/${accessLogName}`, clock, enter } = options;
    const onEnd = () => {
      if (this.#isServing) this.#touch();
    };
    this.#haproxy = new Haproxy({ folder, logFile, clock, onEnd, ...(enter ? { enter } : {}) });
  }

  async sync(): Promise<void> {
    if (!this.#isEnabled()) return this.#stop();
    this.#following ??= this.#follow();
    await this.#following;
    if (!this.#isChosen()) return this.#stop();
    const input = await this.#input();
    const routing = await this.#apply(input);
    this.#isServing = true;
    this.#report(routing);
    await this.#publish(routing);
    this.#lookTimer ??= this.#lookLater();
  }

  /** Only while this node serves. */
  #lookLater(): Timer {
    return this.#options.clock.after(lookEveryMs, async () => {
      this.#lookTimer = undefined;
      if (!this.#isServing || this.#signal.aborted) return;
      try {
        if (!(await this.#haproxy.isRunning())) this.#touch();
        await this.#haproxy.trimLog();
      } catch (error) {
        this.#options.logger.warn('HAProxy could not be supervised', { error });
      }
      if (this.#isServing) this.#lookTimer ??= this.#lookLater();
    });
  }

  #isEnabled(): boolean {
    const classes = this.#options.informers.of(IngressClass).list();
    return [...classes].some(({ spec }) => spec?.controller === controllerName);
  }

  /** One node serves, so that users need only one address. */
  #isChosen(): boolean {
    const nodes = [...this.#options.informers.of(Node).list()]
      .filter(({ status }) =>
        status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'),
      )
      .sort((a, b) => (age(a) < age(b) ? -1 : 1));
    return nodes[0]?.metadata.name === this.#options.nodeName;
  }

  /** Even when this process started nothing: an earlier one may have left HAProxy running. */
  async #stop(): Promise<void> {
    if (this.#isServing) await this.#haproxy.stop();
    this.#isServing = false;
    this.#lookTimer?.cancel();
    this.#lookTimer = undefined;
    this.#slots = new Map();
  }

  async #follow(): Promise<void> {
    const { informers } = this.#options;
    const touch = this.#touch;
    const handlers = { added: touch, updated: touch, deleted: touch };
    const nodes = informers.of(Node);
    const services = informers.of(Service);
    const ingresses = informers.of(Ingress);
    const slices = serviceSlices(informers);
    await Promise.all([nodes.synced(), services.synced(), ingresses.synced(), slices.informer.synced()]);
    services.handle(handlers);
    slices.informer.handle(handlers);
    // Heartbeats change nodes all the time, and this controller's own status updates change its Ingresses.
    const readiness = (node: Node) =>
      JSON.stringify(node.status?.conditions?.map((each) => [each.type, each.status]));
    nodes.handle({ ...handlers, updated: (node, old) => readiness(node) !== readiness(old) && touch() });
    const facts = ({ metadata, spec }: Ingress) =>
      JSON.stringify([metadata.annotations, spec, metadata.deletionTimestamp]);
    ingresses.handle({
      added: (ingress) => this.#scheduled(ingress),
      updated: (ingress, old) => facts(ingress) !== facts(old) && this.#scheduled(ingress),
      deleted: touch,
    });
  }

  #scheduled(ingress: Ingress): void {
    // Every node follows the cluster; only the serving node records events.
    if (this.#isChosen() && isServed(ingress, this.#options.informers.of(IngressClass).list()))
      this.#options.recorder.event(targetOf(Ingress, ingress), 'Normal', 'Sync', 'Scheduled for sync');
    this.#touch();
  }

  async #input(): Promise<RoutingInput> {
    const { informers } = this.#options;
    const slices = serviceSlices(informers);
    const wanted = new Set<string>();
    const input: RoutingInput = {
      ingresses: [...informers.of(Ingress).list()],
      classes: [...informers.of(IngressClass).list()],
      service: (key) => informers.of(Service).get(key),
      slicesOf: slices.of,
      secret: (key) => {
        wanted.add(key);
        return this.#secrets.get(key);
      },
    };
    // A first pass finds out which secrets are needed: only those are requested.
    computeRouting(input);
    await this.#secrets.follow(wanted);
    return input;
  }

  /**
   * When HAProxy refuses the whole configuration, the Ingresses that it refuses individually are left out and reported.
   */
  async #apply(input: RoutingInput): Promise<Routing> {
    const routing = computeRouting(input);
    try {
      await this.#applyRouting(routing);
      return routing;
    } catch (error) {
      if (!(error instanceof CommandError) || error.isMissingProgram) throw error;
      this.#options.logger.warn('haproxy refuses the configuration; looking for the Ingress that causes it', {
        error,
      });
    }
    const good: Ingress[] = [];
    const problems: Problem[] = [];
    for (const ingress of input.ingresses) {
      const alone = await this.#write(computeRouting({ ...input, ingresses: [ingress] }));
      if (await this.#haproxy.check(alone)) good.push(ingress);
      else
        problems.push({
          ingress: keyOf(ingress),
          reason: 'InvalidConfiguration',
          message: 'the proxy refuses a value of this Ingress; it is not served',
        });
    }
    const rest = computeRouting({ ...input, ingresses: good });
    await this.#applyRouting(rest);
    return { ...rest, problems: [...rest.problems, ...problems] };
  }

  async #applyRouting(routing: Routing): Promise<void> {
    const files = await this.#write(routing);
    const outcome = await this.#haproxy.apply(files);
    this.#slots = files.slots;
    if (outcome === 'started' || outcome === 'reloaded')
      this.#options.logger.info('ingress', { outcome, routes: routing.routes.length });
  }

  async #write(routing: Routing): Promise<HaproxyFiles> {
    const {
      nodeAddress,
      folder = '/run/wherry-ingress',
      clusterDns,
      ports = { http: 80, https: 443 },
      clock,
    } = this.#options;
    if (!this.#place) {
      // Loaded here only: a node that serves no ingress need not load the certificate library.
      const { createAuthority } = await import('../../base/x509/pki.ts');
      const pair = await createAuthority('Kubernetes Ingress Controller Fake Certificate', clock.now());
      this.#place = {
        folder,
        addresses: [nodeAddress],
        httpPort: ports.http,
        httpsPort: ports.https,
        clusterDns,
        defaultCertificate: `${pair.cert.trim()}\n${pair.key.trim()}\n`,
      };
    }
    return writeHaproxyFiles(routing, this.#place, this.#slots);
  }

  /** Once for every problem, until it is resolved. */
  #report({ problems }: Routing): void {
    const present = new Set(problems.map((problem) => JSON.stringify(problem)));
    for (const id of this.#reported) if (!present.has(id)) this.#reported.delete(id);
    for (const problem of problems) {
      const id = JSON.stringify(problem);
      if (this.#reported.has(id)) continue;
      this.#reported.add(id);
      const ingress = this.#options.informers.of(Ingress).get(problem.ingress);
      if (ingress)
        this.#options.recorder.event(targetOf(Ingress, ingress), 'Warning', problem.reason, problem.message);
    }
  }

  async #publish({ served }: Routing): Promise<void> {
    const { client, informers, nodeAddress } = this.#options;
    const failures: unknown[] = [];
    for (const key of served) {
      const ingress = informers.of(Ingress).get(key);
      const present = ingress?.status?.loadBalancer?.ingress ?? [];
      if (!ingress || (present.length === 1 && present[0]!.ip === nodeAddress)) continue;
      const status = { loadBalancer: { ingress: [{ ip: nodeAddress }] } };
      try {
        await client.patch(Ingress, ingress.metadata, { status }, { type: 'merge', subresource: 'status' });
      } catch (error) {
        // The others get theirs; one that is gone needs none.
        if (!isNotFound(error)) failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function age({ metadata }: Node): string {
  return `${metadata.creationTimestamp} ${metadata.name}`;
}
