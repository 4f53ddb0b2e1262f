/**
 * Writes what requests take from quotas into the quotas' status, exactly: charges of one namespace are made one batch
 * after another, each with one compare-and-swap per quota, however many requests wait for it.
 */
import type { KubeObject, ResourceType } from '../../../api/meta.ts';
import type { ClaimSurroundings } from '../../../api/quantities/claim-usage.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from '../../../api/quantities/quantity.ts';
import { matchesScopes, totalUsage, type Usage, usageOf } from '../../../api/quantities/quota.ts';
import {
  ConfigMap,
  DeviceClass,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceClaim,
  ResourceQuota,
  Secret,
  Service,
} from '../../../api/resources.gen.ts';
import { internalError, StatusError } from '../../../api/status.ts';
import type { ObjectReader } from '../../object-reader.ts';

/** What one request takes from one quota. */
export interface Charge {
  quota: string;
  amounts: Usage;
  refuse(why: string): StatusError;
}

/** Writes a quota's status; rejects with reason Conflict when it has changed since. */
export type QuotaStatusWriter = (quota: ResourceQuota) => Promise<unknown>;

interface Waiting {
  charges: readonly Charge[];
  /** Given back rather than taken: never refused. */
  isReturn: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** What one quota was charged for a request, or why it was not. */
type Outcome = { entry: Waiting; charge: Charge } | { entry: Waiting; error: unknown };

/** Tries against others who write the same quota. */
const triesMax = 20;

export class QuotaLedger {
  readonly #objects: ObjectReader;
  readonly #write: QuotaStatusWriter;
  /** By namespace; present while a batch is under way. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(objects: ObjectReader, write: QuotaStatusWriter) {
    this.#objects = objects;
    this.#write = write;
  }

  /** @throws StatusError when a quota would not allow it; takes nothing. */
  check(namespace: string, charges: readonly Charge[]): void {
    for (const { quota: name, amounts, refuse } of charges) {
      const quota = this.#objects.get(ResourceQuota, namespace, name);
      const why = quota && whyExceeded(quota, this.#usedOf(quota), amounts);
      if (why) throw refuse(why);
    }
  }

  /**
   * Resolves when every quota has been charged. @throws StatusError when one does not allow it; nothing is charged
   * then.
   */
  take(namespace: string, charges: readonly Charge[]): Promise<void> {
    return this.#enqueue(namespace, charges, { isReturn: false });
  }

  giveBack(namespace: string, charges: readonly Charge[]): Promise<void> {
    return this.#enqueue(namespace, charges, { isReturn: true });
  }

  #enqueue(
    namespace: string,
    charges: readonly Charge[],
    { isReturn }: { isReturn: boolean },
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry = { charges, isReturn, resolve, reject };
      const waiting = this.#waiting.get(namespace);
      if (waiting) {
        waiting.push(entry);
        return;
      }
      this.#waiting.set(namespace, [entry]);
      void this.#work(namespace);
    });
  }

  async #work(namespace: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(namespace)!.splice(0);
      if (batch.length === 0) break;
      await this.#settle(namespace, batch);
    }
    this.#waiting.delete(namespace);
  }

  /** Quota by quota; a request that one refuses gets back what earlier ones were charged. */
  async #settle(namespace: string, batch: readonly Waiting[]): Promise<void> {
    const open = new Set(batch);
    const names = new Set(batch.flatMap(({ charges }) => charges.map(({ quota }) => quota)));
    const charged = new Map<Waiting, Charge[]>();
    for (const name of names) {
      const concerned = [...open].filter(({ charges }) => charges.some(({ quota }) => quota === name));
      const outcomes = await this.#chargeQuota(namespace, name, concerned).catch((error: unknown) =>
        concerned.map((entry): Outcome => ({ entry, error })),
      );
      for (const outcome of outcomes) {
        const { entry } = outcome;
        const before = charged.get(entry) ?? [];
        if ('charge' in outcome) charged.set(entry, [...before, outcome.charge]);
        else {
          open.delete(entry);
          // What cannot be returned now is corrected by the controller's next count.
          await this.#refund(namespace, before).catch(() => undefined);
          entry.reject(outcome.error);
        }
      }
    }
    for (const entry of open) entry.resolve();
  }

  async #refund(namespace: string, charges: readonly Charge[]): Promise<void> {
    for (const charge of charges) {
      const entry = { charges: [charge], isReturn: true, resolve: () => undefined, reject: () => undefined };
      await this.#chargeQuota(namespace, charge.quota, [entry]);
    }
  }

  async #chargeQuota(namespace: string, name: string, entries: readonly Waiting[]): Promise<Outcome[]> {
    for (let attempt = 0; attempt < triesMax; attempt++) {
      const quota = this.#objects.get(ResourceQuota, namespace, name);
      const used = quota ? this.#usedOf(quota) : new Map<string, Quantity>();
      let isChanged = false;
      const results = entries.map((entry): Outcome => {
        const charge = entry.charges.find((one) => one.quota === name)!;
        const why = quota && !entry.isReturn ? whyExceeded(quota, used, charge.amounts) : undefined;
        if (why) return { entry, error: charge.refuse(why) };
        isChanged = true;
        applyCharge(used, charge.amounts, entry);
        return { entry, charge };
      });
      if (!quota || !isChanged) return results;
      try {
        await this.#write(withUsed(quota, used));
        return results;
      } catch (error) {
        if (!(error instanceof StatusError && error.code === 409)) throw error;
      }
    }
    throw internalError('resource quota evaluation timed out');
  }

  /** The quota's usage; what its status lacks is counted on the spot, so that the limit applies from the start. */
  #usedOf(quota: ResourceQuota): Map<string, Quantity> {
    const used = new Map<string, Quantity>();
    const reported = quota.status?.used ?? {};
    const untold: string[] = [];
    for (const name of Object.keys(quota.spec?.hard ?? {})) {
      const text = reported[name];
      if (text === undefined) untold.push(name);
      else used.set(name, parseQuantity(text));
    }
    if (untold.length > 0)
      for (const [name, text] of Object.entries(this.#count(quota, untold)))
        used.set(name, parseQuantity(text));
    return used;
  }

  #count(quota: ResourceQuota, names: readonly string[]): Record<string, string> {
    const usages: Usage[] = [];
    for (const type of countedTypes)
      for (const object of this.#objects.list<KubeObject>(type, quota.metadata.namespace))
        if (matchesScopes(quota, type, object))
          usages.push(usageOf(type, object, surroundingsIn(this.#objects)));
    return totalUsage(names, usages);
  }
}

export function surroundingsIn(objects: ObjectReader): ClaimSurroundings {
  return {
    classes: () => objects.list(DeviceClass),
    pod: (namespace, name) => objects.get(Pod, namespace, name),
    claims: (namespace) => objects.list(ResourceClaim, namespace),
  };
}

/** Kinds whose use quotas can name; other kinds (`count/…`) are counted once the controller has reported them. */
const countedTypes: readonly ResourceType[] = [
  Pod,
  Service,
  PersistentVolumeClaim,
  ConfigMap,
  Secret,
  ReplicationController,
  ResourceClaim,
  ResourceQuota,
];

function applyCharge(used: Map<string, Quantity>, amounts: Usage, { isReturn }: { isReturn: boolean }): void {
  for (const [name, amount] of amounts) {
    const before = used.get(name) ?? { ...amount, nanos: 0n };
    const after = isReturn ? subtractQuantities(before, amount) : addQuantities(before, amount);
    used.set(name, after.nanos < 0n ? { ...after, nanos: 0n } : after);
  }
}

function withUsed(quota: ResourceQuota, used: Usage): ResourceQuota {
  const hard = quota.spec?.hard ?? {};
  const texts: Record<string, string> = {};
  for (const name of Object.keys(hard).sort()) {
    const amount = used.get(name);
    texts[name] = amount ? formatQuantity(amount) : '0';
  }
  return { ...quota, status: { ...quota.status, hard, used: texts } };
}

/** Upstream's sentence, when the quota does not allow it. */
function whyExceeded(quota: ResourceQuota, used: Usage, amounts: Usage): string | undefined {
  const hard = quota.spec?.hard ?? {};
  const over = [...amounts.keys()]
    .filter((name) => {
      const total = {
        ...amounts.get(name)!,
        nanos: amounts.get(name)!.nanos + (used.get(name)?.nanos ?? 0n),
      };
      return compareQuantities(total, parseQuantity(hard[name]!)) > 0;
    })
    .sort();
  if (over.length === 0) return undefined;
  const show = (of: (name: string) => Quantity | undefined) =>
    over.map((name) => `${name}=${formatQuantity(of(name) ?? parseQuantity('0'))}`).join(',');
  const limited = show((name) => parseQuantity(hard[name]!));
  return `exceeded quota: ${quota.metadata.name}, requested: ${show((name) => amounts.get(name))}, used: ${show((name) => used.get(name))}, limited: ${limited}`;
}
