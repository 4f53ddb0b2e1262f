/** The plugins of one profile, sorted by the extension points in which they take part. */
import type { Plugin, RetryRule } from './plugin.ts';

export interface WeightedPlugin {
  plugin: Plugin;
  weight: number;
}

/** A plugin at a point, with the index of its state in a cycle. */
export interface Slot {
  plugin: Plugin;
  /** Index into the states that preFilter or preScore returned. */
  index: number;
  weight: number;
}

export interface Profile {
  readonly schedulerName: string;
  readonly plugins: readonly Plugin[];
  /** By plugin name. */
  readonly retryRules: ReadonlyMap<string, readonly RetryRule[]>;
  readonly preEnqueue: readonly Slot[];
  readonly preFilter: readonly Slot[];
  readonly filter: readonly Slot[];
  readonly postFilter: readonly Slot[];
  readonly score: readonly Slot[];
  readonly reserve: readonly Slot[];
  readonly permit: readonly Slot[];
  readonly preBind: readonly Slot[];
  readonly bind: readonly Slot[];
  readonly postBind: readonly Slot[];
}

export function createProfile(schedulerName: string, plugins: readonly WeightedPlugin[]): Profile {
  const slots = plugins.map(({ plugin, weight }, index) => ({ plugin, weight, index }));
  const having = (point: keyof Plugin) => slots.filter(({ plugin }) => plugin[point] !== undefined);
  return {
    schedulerName,
    plugins: plugins.map(({ plugin }) => plugin),
    retryRules: new Map(plugins.map(({ plugin }) => [plugin.name, plugin.retryRules ?? []])),
    preEnqueue: having('preEnqueue'),
    preFilter: having('preFilter'),
    filter: having('filter'),
    postFilter: having('postFilter'),
    score: having('score').filter(({ weight }) => weight > 0),
    reserve: slots.filter(({ plugin }) => plugin.reserve ?? plugin.unreserve),
    permit: having('permit'),
    preBind: having('preBind'),
    bind: having('bind'),
    postBind: having('postBind'),
  };
}
