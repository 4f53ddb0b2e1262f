/** What validating and mutating admission policies share: compiled policies, their bindings, parameters and variables. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { untypedCelValue } from '../../api/cel/values.ts';
import { type KubeObject, parseApiVersion, type ResourceType } from '../../api/meta.ts';
import {
  type MutatingAdmissionPolicy,
  type MutatingAdmissionPolicyBinding,
  Namespace,
  type ValidatingAdmissionPolicy,
  type ValidatingAdmissionPolicyBinding,
} from '../../api/resources.gen.ts';
import { compileLabelSelector } from '../../api/selectors/label-selector.ts';
import { qualifiedName, StatusError } from '../../api/status.ts';
import type { ParamRef } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Random } from '../../base/random.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { AccessAnswers } from './access-answers.ts';
import { type CompiledCondition, celVariablesOf, compileConditions, conditionsHold } from './conditions.ts';
import { compileMatcher, type MatchContext, type Matcher } from './matching.ts';
import { admissionRequestOf } from './review.ts';

export interface PolicyOptions extends MatchContext {
  random: Random;
}

type AnyPolicy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;
type AnyBinding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

export interface CompiledPolicy<Policy, Content> {
  policy: Policy;
  matcher: Matcher;
  /** Set when an expression of the policy does not compile: what it refuses requests with. */
  defect: string | undefined;
  conditions: readonly CompiledCondition[];
  variables: readonly { name: string; program: CelProgram }[];
  /** What the policy does; undefined when it has a defect. */
  content: Content | undefined;
}

export interface CompiledBinding<Policy, Binding, Content> {
  binding: Binding;
  policy: CompiledPolicy<Policy, Content>;
  matcher: Matcher | undefined;
}

export interface PolicyKinds<Policy extends AnyPolicy, Binding extends AnyBinding, Content> {
  policy: ResourceType<Policy>;
  binding: ResourceType<Binding>;
  /** In messages: `ValidatingAdmissionPolicy 'x'`. */
  word: string;
  /** @throws CelError */
  compile(policy: Policy): Content;
}

export class PolicyBindings<Policy extends AnyPolicy, Binding extends AnyBinding, Content> {
  readonly #options: PolicyOptions;
  readonly #kinds: PolicyKinds<Policy, Binding, Content>;
  #bindings: readonly CompiledBinding<Policy, Binding, Content>[] = [];
  #changes = -1;

  constructor(options: PolicyOptions, kinds: PolicyKinds<Policy, Binding, Content>) {
    this.#options = options;
    this.#kinds = kinds;
  }

  /** None for requests about such configuration itself. */
  concerning({ request }: AdmissionAttributes): readonly CompiledBinding<Policy, Binding, Content>[] {
    const bindings = this.#current();
    return request.resource.group === 'admissionregistration.k8s.io' ? [] : bindings;
  }

  /** The version in which the policy sees the request; undefined when it is not about it. */
  match(
    { policy, matcher }: CompiledBinding<Policy, Binding, Content>,
    attributes: AdmissionAttributes,
  ): ServedResource | undefined {
    const shown = policy.matcher.match(attributes);
    return shown && (!matcher || matcher.match(attributes)) ? shown : undefined;
  }

  /** For the expressions of one judgement. */
  accessAnswers(): AccessAnswers {
    return new AccessAnswers(this.#options.authorize);
  }

  /** What expressions see of the request, but for parameters. */
  async variablesOf(
    attributes: AdmissionAttributes,
    shown: ServedResource,
    answers: AccessAnswers,
  ): Promise<Record<string, unknown>> {
    const request = await admissionRequestOf(attributes, shown, this.#options.random.uuid());
    return {
      ...celVariablesOf(request, attributes, answers),
      namespaceObject: this.#namespaceOf(attributes),
    };
  }

  /** Variables with the policy's composed ones. @throws CelError when its conditions cannot be evaluated or it has a defect */
  prepare(
    compiled: CompiledPolicy<Policy, Content>,
    base: Record<string, unknown>,
    params: KubeObject | null,
  ): Record<string, unknown> | 'does not concern' {
    if (compiled.defect) throw new CelError(compiled.defect);
    const values = this.compose(compiled, base, params);
    return conditionsHold(compiled.conditions, values) ? values : 'does not concern';
  }

  /** As {@link PolicyBindings.prepare}, of a policy that is known to concern the request. */
  compose(
    compiled: CompiledPolicy<Policy, Content>,
    base: Record<string, unknown>,
    params: KubeObject | null,
  ): Record<string, unknown> {
    const variables = { ...base, params: untypedCelValue(params) };
    return { ...variables, variables: lazyVariables(compiled.variables, variables) };
  }

  /**
   * The parameter objects to judge with, one after the other; `null` alone for a policy without parameters. Or why there
   * are none, and whose fault that is.
   */
  paramsOf(
    { binding, policy: { policy } }: CompiledBinding<Policy, Binding, Content>,
    attributes: AdmissionAttributes,
  ): (KubeObject | null)[] | { error: string; of: 'policy' | 'binding' } {
    const { paramKind } = policy.spec;
    const { paramRef } = binding.spec;
    if (!paramKind) return [null];
    const { apiVersion = '', kind = '' } = paramKind;
    const { group, version } = parseApiVersion(apiVersion);
    const resource = this.#options.kinds.findKind(group, version, kind);
    if (!resource?.cache) {
      const error = `failed to find resource referenced by paramKind: '${group}/${version}, Kind=${kind}'`;
      return { of: 'policy', error };
    }
    if (!paramRef) return [null];
    const { namespace = namespaceOf(attributes) } = paramRef;
    if (resource.namespaced && !namespace)
      return {
        of: 'binding',
        error: 'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
      };
    if (!resource.namespaced && paramRef.namespace)
      return {
        of: 'binding',
        error: 'paramRef.namespace must not be provided for a cluster-scoped `paramKind`',
      };
    const found = findParams(resource, paramRef, resource.namespaced ? namespace : '');
    if (found.length > 0) return found;
    if (paramRef.parameterNotFoundAction === 'Allow') return [];
    return {
      of: 'binding',
      error: 'no params found for policy binding with `Deny` parameterNotFoundAction',
    };
  }

  refusal(
    { metadata, spec }: Binding,
    { request, name }: AdmissionAttributes,
    { text, reason, isOfPolicy }: { text: string; reason: string; isOfPolicy?: boolean },
  ): StatusError {
    const { resource } = request;
    const by = isOfPolicy ? '' : ` with binding '${metadata.name}'`;
    const why = `${this.#kinds.word} '${spec.policyName}'${by} denied request: ${text}`;
    const message = `${qualifiedName(resource)} ${JSON.stringify(name)} is forbidden: ${why}`;
    const details = {
      ...(name && { name }),
      ...(resource.group && { group: resource.group }),
      kind: resource.plural,
      causes: [{ message: why }],
    };
    return new StatusError(reasonCodes[reason] ?? 422, reason, message, { details });
  }

  #namespaceOf({ request }: AdmissionAttributes): unknown {
    if (!request.namespace) return null;
    return untypedCelValue(this.#options.objects.get(Namespace, '', request.namespace) ?? null);
  }

  #current(): readonly CompiledBinding<Policy, Binding, Content>[] {
    const { objects } = this.#options;
    const changes = objects.changesOf(this.#kinds.policy) + objects.changesOf(this.#kinds.binding);
    if (changes === this.#changes) return this.#bindings;
    this.#changes = changes;
    const policies = new Map<string, CompiledPolicy<Policy, Content>>();
    for (const policy of objects.list(this.#kinds.policy))
      policies.set(policy.metadata.name, this.#compile(policy));
    this.#bindings = [...objects.list(this.#kinds.binding)].flatMap((binding) => {
      const policy = policies.get(binding.spec.policyName ?? '');
      return policy ? [{ binding, policy, matcher: bindingMatcher(binding, this.#options) }] : [];
    });
    return this.#bindings;
  }

  #compile(policy: Policy): CompiledPolicy<Policy, Content> {
    const { matchConstraints = {}, matchConditions, variables } = policy.spec;
    const matcher = compileMatcher(
      {
        ...matchConstraints,
        rules: matchConstraints.resourceRules ?? [],
        excludedRules: matchConstraints.excludeResourceRules ?? [],
      },
      this.#options,
    );
    try {
      return {
        policy,
        matcher,
        defect: undefined,
        conditions: compileConditions(matchConditions),
        variables: (variables ?? []).map(({ name, expression }) => ({
          name,
          program: compileCel(expression, policyVariables),
        })),
        content: this.#kinds.compile(policy),
      };
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const defect = `compilation error: ${error.message}`;
      return { policy, matcher, defect, conditions: [], variables: [], content: undefined };
    }
  }
}

/** Of the object; that of a namespace is its own. */
function namespaceOf({ request, name }: AdmissionAttributes): string {
  const { group, plural } = request.resource;
  return group === '' && plural === 'namespaces' ? name : request.namespace;
}

function findParams(
  { cache }: ServedResource,
  { name, selector }: ParamRef,
  namespace: string,
): KubeObject[] {
  const prefix = namespace ? `${namespace}/` : '';
  if (name) {
    const found = cache!.get(prefix + name)?.object;
    return found ? [found] : [];
  }
  const matches = compileLabelSelector(selector);
  const found: KubeObject[] = [];
  for (const cached of cache!.range(prefix)) {
    if (matches(cached.object.metadata.labels)) found.push(cached.object);
  }
  return found;
}

const reasonCodes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

function bindingMatcher({ spec }: AnyBinding, context: MatchContext): Matcher | undefined {
  const constraints = spec.matchResources;
  if (!constraints) return undefined;
  const everything = [
    { apiGroups: ['*'], apiVersions: ['*'], resources: ['*', '*/*'], operations: ['*' as const] },
  ];
  const rules = constraints.resourceRules?.length ? constraints.resourceRules : everything;
  return compileMatcher(
    { ...constraints, rules, excludedRules: constraints.excludeResourceRules ?? [] },
    context,
  );
}

/** Composed variables are evaluated when an expression first reads them, and may read those before them. */
function lazyVariables(
  variables: readonly { name: string; program: CelProgram }[],
  base: Record<string, unknown>,
): object {
  const composed = {};
  for (const { name, program } of variables) {
    let known: { value: unknown } | undefined;
    Object.defineProperty(composed, name, {
      enumerable: true,
      get: () => {
        known ??= { value: evaluateVariable(name, () => program.evaluate({ ...base, variables: composed })) };
        return known.value;
      },
    });
  }
  return composed;
}

/** @throws CelError that names the variable */
function evaluateVariable(name: string, evaluate: () => unknown): unknown {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    const why = `composited variable ${JSON.stringify(name)} fails to evaluate: ${error.message}`;
    throw new CelError(why, { cause: error });
  }
}
