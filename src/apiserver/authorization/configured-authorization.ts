/** Which authorizers are asked, and in which order: node and RBAC by default, or those of a configuration. */
import type { AuthorizationMetrics } from '../metrics/authorization-metrics.ts';
import { type Attributes, type Authorizer, type Decision, unionAuthorizer } from './authorizer.ts';
import type { AuthorizerType } from './configuration.ts';

/** The part of a user's rights that can be listed in advance. */
export interface KnownRules {
  /** Whether RBAC's rules are among them. */
  rbac: boolean;
  everything: boolean;
  /** Whether nodes have rights beyond them. */
  node: boolean;
  /** Why they are not all. */
  incomplete: readonly string[];
}

/** An authorizer of the chain; `ask` is absent for built-in ones. */
export interface ChainEntry {
  type: AuthorizerType;
  name: string;
  ask?: Authorizer;
}

/** A chain that may be replaced at any time. */
export class AuthorizationChain {
  current: readonly ChainEntry[];

  constructor(entries: readonly ChainEntry[] = defaultChain) {
    this.current = entries;
  }
}

const defaultChain: readonly ChainEntry[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
];

type OwnAuthorizers = Record<'Node' | 'RBAC', Authorizer>;

/** The chain as one authorizer, whatever it is by then. */
export function chainAuthorizer(
  chain: AuthorizationChain,
  own: OwnAuthorizers,
  metrics: AuthorizationMetrics,
): Authorizer {
  const all: Partial<Record<AuthorizerType, Authorizer>> = {
    ...own,
    AlwaysAllow: () => ({ allowed: true }),
    AlwaysDeny: () => ({ allowed: false, reason: 'Everything is forbidden.' }),
  };
  let built: readonly ChainEntry[] | undefined;
  let authorize: Authorizer = () => ({ allowed: false });
  return (attributes) => {
    if (built !== chain.current) {
      built = chain.current;
      authorize = unionAuthorizer(
        built.map((entry) => counted(entry, entry.ask ?? all[entry.type]!, metrics)),
      );
    }
    return authorize(attributes);
  };
}

export function knownRules({ current }: AuthorizationChain): KnownRules {
  const has = (type: AuthorizerType) => current.some((entry) => entry.type === type);
  return {
    rbac: has('RBAC'),
    everything: has('AlwaysAllow'),
    node: has('Node'),
    incomplete: has('Webhook') ? ['webhook authorizer does not support user rule resolution'] : [],
  };
}

function counted(entry: ChainEntry, authorize: Authorizer, metrics: AuthorizationMetrics): Authorizer {
  const add = metrics.decisions(entry.type, entry.name);
  const count = (decision: Decision) => {
    if (decision.allowed) add('allowed');
    else if (decision.denied) add('denied');
    return decision;
  };
  return (attributes: Attributes) => {
    const decision = authorize(attributes);
    return decision instanceof Promise ? decision.then(count) : count(decision);
  };
}
