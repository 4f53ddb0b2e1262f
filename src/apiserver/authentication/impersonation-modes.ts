/**
 * The ways in which a caller may act as another user. The constrained ones require two permissions: to be that user, by
 * `impersonate:MODE`, and to make the request as that user, by `impersonate-on:MODE:VERB`. The legacy one, the verb
 * `impersonate`, allows everything that the user may do.
 */
import { forbidden, StatusError } from '../../api/status.ts';
import { validateDomainPrefixedPath } from '../../api/validation/domain-path.ts';
import { subdomainProblems } from '../../api/validation/names.ts';
import { mastersGroup, nodesGroup, nodeUserPrefix } from '../../api/well-known.ts';
import { type Attributes, type Authorizer, resourceQuestion, whyNot } from '../authorization/authorizer.ts';
import type { RequestInfo, UserInfo } from '../request.ts';
import { serviceAccountOf } from './service-account-tokens.ts';

const reviewGroup = 'authentication.k8s.io';
export const nodeNameKey = 'authentication.kubernetes.io/node-name';
const associatedKeys = 'authentication.kubernetes.io/associated-node-keys';
/** Upstream's figure. */
const rememberedCallersMax = 10_000;
const legacyMode = 'impersonate';
/** From this many parts on, permission for all of them is checked first. */
const manyParts = 4;

/**
 * The mode in which each caller last succeeded, by name: it is tried first, and the words of a refusal are its own. A
 * caller who may impersonate in the legacy way is told so of what it may not.
 */
export class LastModes {
  readonly #modes = new Map<string, string>();

  get(caller: UserInfo): string | undefined {
    return this.#modes.get(caller.name);
  }

  set(caller: UserInfo, mode: string): void {
    // The one that was set longest ago gives way.
    this.#modes.delete(caller.name);
    if (this.#modes.size >= rememberedCallersMax) this.#modes.delete(this.#modes.keys().next().value!);
    this.#modes.set(caller.name, mode);
  }
}

/** Who wants to act as another, and for what. */
export interface ImpersonationRequest {
  caller: UserInfo;
  /** What the request is about. */
  info: RequestInfo;
  authorize: Authorizer;
  lastModes: LastModes;
}

export interface Impersonation extends ImpersonationRequest {
  wanted: UserInfo;
}

/** A way to impersonate, and the users that it is for. */
interface Mode {
  name: string;
  appliesTo(impersonation: Impersonation): boolean;
}

/** In the order in which they are tried. */
const modes: readonly Mode[] = [
  { name: 'associated-node', appliesTo: isAssociatedNode },
  { name: 'arbitrary-node', appliesTo: ({ wanted }) => isNameOnly(wanted) && nodeOf(wanted.name) !== '' },
  {
    name: 'serviceaccount',
    appliesTo: ({ wanted }) => isNameOnly(wanted) && serviceAccountOf(wanted.name) !== undefined,
  },
  {
    name: 'user-info',
    appliesTo: ({ wanted }) => nodeOf(wanted.name) === '' && !serviceAccountOf(wanted.name),
  },
  { name: legacyMode, appliesTo: () => true },
];

/** Whom a caller acts as. */
export interface Impersonated {
  user: UserInfo;
  /** The verb of the constrained mode that allows it; absent where the legacy one does. */
  constraint?: string;
}

/**
 * The user, with the groups that its name implies.
 * @throws StatusError 403 when no mode allows it, in the words of the first that is for such a user
 */
export async function impersonatedUser(impersonation: Impersonation): Promise<Impersonated> {
  const { caller, lastModes } = impersonation;
  const last = lastModes.get(caller);
  const possible = modes.filter((mode) => mode.appliesTo(impersonation));
  possible.sort((one, other) => Number(other.name === last) - Number(one.name === last));
  let first: StatusError | undefined;
  for (const { name } of possible) {
    const outcome = await inMode(impersonation, name);
    if (!(outcome instanceof StatusError)) {
      lastModes.set(caller, name);
      return outcome;
    }
    first ??= outcome;
  }
  // The legacy mode is for everybody.
  throw first!;
}

async function inMode(impersonation: Impersonation, mode: string): Promise<Impersonated | StatusError> {
  const { wanted } = impersonation;
  if (mode === legacyMode)
    return (await partsRefusal(impersonation, legacyMode, { anyNode: false })) ?? { user: wanted };
  const refusal = await narrowRefusal(impersonation, mode);
  return refusal ?? { user: withNodeGroup(wanted), constraint: verbOf(mode) };
}

function verbOf(mode: string): string {
  return `impersonate:${mode}`;
}

/** A node that is impersonated narrowly is in the group of nodes. */
function withNodeGroup(wanted: UserInfo): UserInfo {
  return nodeOf(wanted.name) === '' ? wanted : { ...wanted, groups: [nodesGroup] };
}

function isNameOnly({ uid, groups, extra }: UserInfo): boolean {
  return !uid && groups.length === 0 && extra === undefined;
}

/** The node that a user's name stands for; empty when it is not a node's. */
function nodeOf(userName: string): string {
  if (!userName.startsWith(nodeUserPrefix)) return '';
  const name = userName.slice(nodeUserPrefix.length);
  return subdomainProblems(name).length === 0 ? name : '';
}

/** A pod's account that is to act as the node on which the pod runs. */
function isAssociatedNode({ wanted, caller }: Impersonation): boolean {
  const node = nodeOf(wanted.name);
  if (!isNameOnly(wanted) || node === '' || !serviceAccountOf(caller.name)) return false;
  const [own, ...others] = caller.extra?.[nodeNameKey] ?? [];
  return own === node && others.length === 0;
}

async function narrowRefusal(impersonation: Impersonation, mode: string): Promise<StatusError | undefined> {
  const { info } = impersonation;
  const isAssociated = mode === 'associated-node';
  const asked = {
    ...impersonation,
    caller: isAssociated ? withKeysOnly(impersonation.caller) : impersonation.caller,
  };
  const onBehalf = { ...info, user: asked.caller, verb: `impersonate-on:${mode}:${info.verb}` };
  return (
    (await refusalOf(asked, onBehalf)) ?? (await partsRefusal(asked, verbOf(mode), { anyNode: isAssociated }))
  );
}

/** The right to impersonate the own node does not depend on extra values: only their keys are passed on. */
function withKeysOnly(caller: UserInfo): UserInfo {
  return { ...caller, extra: { [associatedKeys]: Object.keys(caller.extra ?? {}).sort() } };
}

/** Name, uid, groups and extra values, each of which requires permission. */
async function partsRefusal(
  impersonation: Impersonation,
  verb: string,
  { anyNode }: { anyNode: boolean },
): Promise<StatusError | undefined> {
  const { wanted, caller } = impersonation;
  const isNarrow = verb !== legacyMode;
  const part = (resource: string, name: string, more: Partial<Attributes> = {}): Attributes => {
    const group = isNarrow || resource === 'uids' || resource === 'userextras' ? reviewGroup : '';
    return resourceQuestion({ user: caller, verb, group, resource, name, ...more });
  };
  const all = [namePart(wanted.name, part, { isNarrow, anyNode })];
  if (wanted.uid) all.push(part('uids', wanted.uid));
  const groups = wanted.groups.map((group) => part('groups', group));
  if (isNarrow) {
    const problem = narrowProblem(wanted);
    if (problem) return refusalFor(part(problem.resource, problem.name), problem.why);
  }
  const extra = Object.entries(wanted.extra ?? {}).flatMap(([key, values]) =>
    values.map((value) => part('userextras', value, { subresource: key })),
  );
  return (
    (await firstRefusal(impersonation, all)) ??
    (await listRefusal(impersonation, groups, isNarrow ? part('groups', '*') : undefined)) ??
    (await listRefusal(
      impersonation,
      extra,
      isNarrow ? part('userextras', '*', { subresource: '*' }) : undefined,
    ))
  );
}

function namePart(
  userName: string,
  part: (resource: string, name: string, more?: Partial<Attributes>) => Attributes,
  { isNarrow, anyNode }: { isNarrow: boolean; anyNode: boolean },
): Attributes {
  const account = serviceAccountOf(userName);
  if (account) return part('serviceaccounts', account.name, { namespace: account.namespace });
  const node = isNarrow ? nodeOf(userName) : '';
  if (node) return part('nodes', anyNode ? '*' : node);
  return part('users', userName);
}

interface Problem {
  resource: string;
  name: string;
  why: string;
}

/** Users that cannot be impersonated by a constrained mode. */
function narrowProblem({ groups, extra = {} }: UserInfo): Problem | undefined {
  if (groups.includes(''))
    return { resource: 'groups', name: '', why: 'impersonating the empty string group is not allowed' };
  if (groups.includes(mastersGroup))
    return {
      resource: 'groups',
      name: mastersGroup,
      why: 'impersonating the system:masters group is not allowed',
    };
  for (const key of Object.keys(extra)) {
    const [error] = validateDomainPrefixedPath(key, 'extra[key]');
    if (error)
      return {
        resource: 'userextras',
        name: '',
        why: `impersonating an invalid key in extra is not allowed: ${error.text}`,
      };
  }
  return undefined;
}

/** Of many, `all` is asked for first, which may spare the rest. */
async function listRefusal(
  impersonation: Impersonation,
  parts: readonly Attributes[],
  all: Attributes | undefined,
): Promise<StatusError | undefined> {
  if (all && parts.length >= manyParts && !(await refusalOf(impersonation, all))) return undefined;
  return await firstRefusal(impersonation, parts);
}

async function firstRefusal(
  impersonation: Impersonation,
  parts: readonly Attributes[],
): Promise<StatusError | undefined> {
  for (const attributes of parts) {
    const refusal = await refusalOf(impersonation, attributes);
    if (refusal) return refusal;
  }
  return undefined;
}

async function refusalOf(
  { authorize }: Impersonation,
  attributes: Attributes,
): Promise<StatusError | undefined> {
  const decision = await authorize(attributes);
  if (decision.allowed) return undefined;
  const { group, resource, name, isResource } = attributes;
  return forbidden({ group, plural: isResource ? resource : '' }, name, whyNot(attributes, decision));
}

function refusalFor(attributes: Attributes, why: string): StatusError {
  const { group, resource, name } = attributes;
  const text = whyNot(attributes, { allowed: false, reason: why });
  return forbidden({ group, plural: resource }, name, text);
}
