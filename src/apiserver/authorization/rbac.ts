/** RBAC: what roles, bound to users, groups and service accounts, allow. Refuses nothing; it only does not allow. */
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { UserInfo } from '../request.ts';
import type { Attributes, InstantAuthorizer } from './authorizer.ts';
import { errorText } from './error-text.ts';
import { type PolicyRule, ruleAllows } from './rules.ts';

type Binding = RoleBinding | ClusterRoleBinding;

/** A binding that holds for a user, with the rules of its role. */
interface Grant {
  rules: readonly PolicyRule[];
  /** The reason, in upstream's words. */
  reason: string;
  /** Set when the role is not there. */
  error?: string;
}

/** What one user holds; namespaces are looked at when asked for. */
interface UserGrants {
  cluster: readonly Grant[];
  byNamespace: Map<string, readonly Grant[]>;
}

/** Users whose grants are remembered until a role or binding changes. */
const rememberedUsersMax = 1_000;
const noGrants: readonly Grant[] = [];
const serviceAccountPrefix = 'system:serviceaccount:';

export class RbacAuthorizer {
  readonly #objects: ObjectReader;
  readonly #users = new Map<string, UserGrants>();
  #generation = -1;

  constructor(objects: ObjectReader) {
    this.#objects = objects;
  }

  readonly authorize: InstantAuthorizer = (attributes) => {
    const errors: string[] = [];
    for (const grant of this.#grantsOf(attributes)) {
      if (grant.rules.some((rule) => ruleAllows(rule, attributes)))
        return { allowed: true, reason: grant.reason };
      if (grant.error) errors.push(grant.error);
    }
    // A role that is not there allows nothing: that is a reason, but no failure.
    return { allowed: false, ...(errors.length > 0 && { reason: `RBAC: ${errorText(errors)}` }) };
  };

  /** Every rule that applies to the user in a namespace ('' for the cluster alone), and what could not be resolved. */
  rulesFor(user: UserInfo, namespace: string): { rules: PolicyRule[]; errors: string[] } {
    const grants = [...this.#of(user).cluster, ...(namespace ? this.#inNamespace(user, namespace) : [])];
    return {
      rules: grants.flatMap((grant) => grant.rules),
      errors: grants.flatMap((grant) => grant.error ?? []),
    };
  }

  /** The rules of the role that a binding refers to; undefined when it is not there. */
  roleRules(roleRef: { kind: string; name: string }, namespace: string): readonly PolicyRule[] | undefined {
    const role =
      roleRef.kind === 'ClusterRole'
        ? this.#objects.get(ClusterRole, '', roleRef.name)
        : this.#objects.get(Role, namespace, roleRef.name);
    return role && (role.rules ?? []);
  }

  *#grantsOf({ user, namespace }: Attributes): Generator<Grant> {
    yield* this.#of(user).cluster;
    if (namespace) yield* this.#inNamespace(user, namespace);
  }

  #of(user: UserInfo): UserGrants {
    this.#forgetWhenChanged();
    const key = JSON.stringify([user.name, user.groups]);
    const known = this.#users.get(key);
    if (known) return known;
    const grants: UserGrants = {
      cluster: this.#grants(user, this.#objects.list(ClusterRoleBinding), ''),
      byNamespace: new Map(),
    };
    if (this.#users.size >= rememberedUsersMax) this.#users.delete(this.#users.keys().next().value!);
    this.#users.set(key, grants);
    return grants;
  }

  #inNamespace(user: UserInfo, namespace: string): readonly Grant[] {
    const { byNamespace } = this.#of(user);
    const known = byNamespace.get(namespace);
    if (known) return known;
    const bindings = [...this.#objects.list(RoleBinding, namespace)];
    // Requests may name any namespace: only those with bindings are cached.
    if (bindings.length === 0) return noGrants;
    const grants = this.#grants(user, bindings, namespace);
    byNamespace.set(namespace, grants);
    return grants;
  }

  #grants(user: UserInfo, bindings: Iterable<Binding>, namespace: string): Grant[] {
    const grants: Grant[] = [];
    for (const binding of bindings) {
      const subject = binding.subjects?.find((candidate) => isSubject(candidate, user, namespace));
      if (subject) grants.push(this.#grant(binding, subject, namespace));
    }
    return grants;
  }

  #grant(binding: Binding, subject: Subject, namespace: string): Grant {
    const { roleRef, metadata } = binding;
    const rules = this.roleRules(roleRef, namespace);
    const bindingText = namespace
      ? `RoleBinding "${metadata.name}/${namespace}"`
      : `ClusterRoleBinding "${metadata.name}"`;
    const subjectName = subject.namespace ? `${subject.name}/${subject.namespace}` : subject.name;
    const reason = `RBAC: allowed by ${bindingText} of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${subjectName}"`;
    if (rules) return { rules, reason };
    const plural = roleRef.kind === 'ClusterRole' ? 'clusterrole' : 'role';
    return { rules: [], reason, error: `${plural}.rbac.authorization.k8s.io "${roleRef.name}" not found` };
  }

  #forgetWhenChanged(): void {
    let generation = 0;
    for (const type of [ClusterRole, ClusterRoleBinding, Role, RoleBinding]) {
      generation += this.#objects.changesOf(type);
    }
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#users.clear();
  }
}

type Subject = NonNullable<Binding['subjects']>[number];

function isSubject(subject: Subject, user: UserInfo, bindingNamespace: string): boolean {
  if (subject.kind === 'User') return subject.name === user.name;
  if (subject.kind === 'Group') return user.groups.includes(subject.name);
  const namespace = subject.namespace || bindingNamespace;
  return user.name === `${serviceAccountPrefix}${namespace}:${subject.name}`;
}
