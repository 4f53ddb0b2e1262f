/** What evictions mean for the status of the DeviceTaintRules that cause them. */
import type { DeviceTaintRule } from '../../api/resources.gen.ts';

/** Changes in the pods of a rule are told together, and once the caches are sure to show them. */
export const ruleStatusPeriodMs = 10_000;

interface Known {
  uid: string;
  /** Pods evicted since the controller started. */
  evicted: number;
  /** When the status is to be looked at again. */
  lookAtMs: number | undefined;
}

/** From the controller that evicts to the one that writes the rules' status. */
export class RuleNews {
  readonly #rules = new Map<string, Known>();
  #notify: ((name: string) => void) | undefined;

  /** `notify`: called with the name of a rule whose status is to be looked at, in good time. */
  subscribe(notify: (name: string) => void): void {
    this.#notify = notify;
    for (const name of this.#rules.keys()) notify(name);
  }

  /** Pods are about to be evicted because of the rules. */
  expect(rules: Iterable<DeviceTaintRule>, nowMs: number): void {
    for (const rule of rules) {
      this.of(rule).lookAtMs ??= nowMs + ruleStatusPeriodMs;
      this.#notify?.(rule.metadata.name);
    }
  }

  /** A pod was evicted because of the rules. */
  evicted(rules: Iterable<DeviceTaintRule>, nowMs: number): void {
    for (const rule of rules) this.of(rule).evicted++;
    this.expect(rules, nowMs);
  }

  of({ metadata: { name, uid } }: DeviceTaintRule): Known {
    const known = this.#rules.get(name);
    if (known?.uid === uid) return known;
    const fresh = { uid, evicted: 0, lookAtMs: undefined };
    this.#rules.set(name, fresh);
    return fresh;
  }

  forget(name: string): void {
    this.#rules.delete(name);
  }
}
