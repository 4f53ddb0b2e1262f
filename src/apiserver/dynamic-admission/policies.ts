/** ValidatingAdmissionPolicies and their bindings: validation rules in CEL that need no webhook. */
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { untypedCelValue } from '../../api/cel/values.ts';
import { compileLabelSelector } from '../../api/label-selector.ts';
import { type KubeObject, parseApiVersion } from '../../api/meta.ts';
import {
  Namespace,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../api/resources.gen.ts';
import { qualifiedName, StatusError } from '../../api/status.ts';
import type { ParamRef } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Random } from '../../base/random.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import {
  type CompiledCondition,
  celVariablesOf,
  compileConditions,
  conditionsHold,
  requestVariables,
} from './conditions.ts';
import { compileMatcher, type MatchContext, type Matcher } from './matching.ts';
import { admissionRequestOf } from './review.ts';

export interface PolicyOptions extends MatchContext {
  random: Random;
}

interface CompiledValidation {
  program: CelProgram;
  message: string | undefined;
  messageProgram: CelProgram | undefined;
  reason: string;
}

interface CompiledPolicy {
  policy: ValidatingAdmissionPolicy;
  matcher: Matcher;
  /** Set when an expression of the policy does not compile: what it refuses requests with. */
  defect?: string;
  conditions: readonly CompiledCondition[];
  variables: readonly { name: string; program: CelProgram }[];
  validations: readonly CompiledValidation[];
}

interface CompiledBinding {
  binding: ValidatingAdmissionPolicyBinding;
  policy: CompiledPolicy;
  matcher: Matcher | undefined;
}

interface Violation {
  text: string;
  reason: string;
}

const reasonCodes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
};

export function policyPlugin(options: PolicyOptions): AdmissionPlugin {
  const policies = new Policies(options);
  return {
    name: 'ValidatingAdmissionPolicy',
    validate: (attributes) => policies.validate(attributes),
  };
}

class Policies {
  readonly #options: PolicyOptions;
  #bindings: readonly CompiledBinding[] = [];
  #changes = -1;

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const bindings = this.#current();
    if (bindings.length === 0 || attributes.request.resource.group === 'admissionregistration.k8s.io') return;
    for (const bound of bindings) await this.#judge(bound, attributes);
  }

  async #judge(
    { binding, policy, matcher }: CompiledBinding,
    attributes: AdmissionAttributes,
  ): Promise<void> {
    const shown = policy.matcher.match(attributes);
    if (!shown || (matcher && !matcher.match(attributes))) return;
    const request = await admissionRequestOf(attributes, shown, this.#options.random.uuid());
    const base = { ...celVariablesOf(request), namespaceObject: this.#namespaceOf(attributes) };
    for (const params of this.#paramsOf(binding, policy, attributes)) {
      for (const violation of violationsOf(policy, { ...base, params: untypedCelValue(params) })) {
        enforce(binding, attributes, violation);
      }
    }
  }

  #namespaceOf({ request }: AdmissionAttributes): unknown {
    if (!request.namespace) return null;
    return untypedCelValue(this.#options.objects.get(Namespace, '', request.namespace) ?? null);
  }

  /** The parameter objects to judge with, one after the other; `null` alone for a policy without parameters. */
  #paramsOf(
    { spec, metadata }: ValidatingAdmissionPolicyBinding,
    { policy }: CompiledPolicy,
    attributes: AdmissionAttributes,
  ): (KubeObject | null)[] {
    const { paramKind } = policy.spec;
    if (!paramKind || !spec.paramRef) return [null];
    const found = this.#findParams(paramKind, spec.paramRef, attributes.request.namespace);
    if (found.length > 0) return found;
    if (spec.paramRef.parameterNotFoundAction === 'Allow') return [];
    throw refusal(metadata.name, spec, attributes, {
      reason: 'Invalid',
      text: 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    });
  }

  #findParams(
    paramKind: { apiVersion?: string; kind?: string },
    { name, namespace, selector }: ParamRef,
    requestNamespace: string,
  ): KubeObject[] {
    const { group, version } = parseApiVersion(paramKind.apiVersion ?? '');
    const resource = this.#options.kinds.findKind(group, version, paramKind.kind ?? '');
    if (!resource?.cache) return [];
    const where = resource.namespaced ? (namespace ?? requestNamespace) : '';
    const prefix = where ? `${where}/` : '';
    if (name) {
      const found = resource.cache.get(prefix + name)?.object;
      return found ? [found] : [];
    }
    const matches = compileLabelSelector(selector);
    const found: KubeObject[] = [];
    for (const cached of resource.cache.range(prefix)) {
      if (matches(cached.object.metadata.labels)) found.push(cached.object);
    }
    return found;
  }

  #current(): readonly CompiledBinding[] {
    const { objects } = this.#options;
    const changes =
      objects.changesOf(ValidatingAdmissionPolicy) + objects.changesOf(ValidatingAdmissionPolicyBinding);
    if (changes === this.#changes) return this.#bindings;
    this.#changes = changes;
    const policies = new Map<string, CompiledPolicy>();
    for (const policy of objects.list(ValidatingAdmissionPolicy)) {
      policies.set(policy.metadata.name, compilePolicy(policy, this.#options));
    }
    const bindings = [...objects.list(ValidatingAdmissionPolicyBinding)];
    this.#bindings = bindings.flatMap((binding) => {
      const policy = policies.get(binding.spec.policyName);
      return policy ? [{ binding, policy, matcher: bindingMatcher(binding, this.#options) }] : [];
    });
    return this.#bindings;
  }
}

function compilePolicy(policy: ValidatingAdmissionPolicy, context: MatchContext): CompiledPolicy {
  const { matchConstraints = {}, matchConditions, variables, validations } = policy.spec;
  const matcher = compileMatcher(
    {
      ...matchConstraints,
      rules: matchConstraints.resourceRules ?? [],
      excludedRules: matchConstraints.excludeResourceRules ?? [],
    },
    context,
  );
  try {
    return {
      policy,
      matcher,
      conditions: compileConditions(matchConditions),
      variables: (variables ?? []).map(({ name, expression }) => ({
        name,
        program: compileCel(expression, requestVariables),
      })),
      validations: (validations ?? []).map((validation) => ({
        program: compileCel(validation.expression, requestVariables),
        message: validation.message,
        messageProgram: validation.messageExpression
          ? compileCel(validation.messageExpression, requestVariables)
          : undefined,
        reason: validation.reason ?? 'Invalid',
      })),
    };
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return {
      policy,
      matcher,
      defect: `compilation error: ${error.message}`,
      conditions: [],
      variables: [],
      validations: [],
    };
  }
}

function bindingMatcher(
  { spec }: ValidatingAdmissionPolicyBinding,
  context: MatchContext,
): Matcher | undefined {
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

function violationsOf(compiled: CompiledPolicy, variables: Record<string, unknown>): Violation[] {
  const { policy, defect } = compiled;
  const ignoresFailures = policy.spec.failurePolicy === 'Ignore';
  try {
    if (defect) throw new CelError(defect);
    if (!conditionsHold(compiled.conditions, variables)) return [];
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return ignoresFailures ? [] : [{ text: error.message, reason: 'Invalid' }];
  }
  const values = { ...variables, variables: lazyVariables(compiled, variables) };
  const violations: Violation[] = [];
  for (const validation of compiled.validations) {
    try {
      if (validation.program.evaluate(values) === true) continue;
      violations.push({ text: messageOf(validation, values), reason: validation.reason });
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const text = `expression '${validation.program.source}' resulted in error: ${error.message}`;
      if (!ignoresFailures) violations.push({ text, reason: 'Invalid' });
    }
  }
  return violations;
}

/** Composed variables are evaluated when an expression first reads them, and may read those before them. */
function lazyVariables({ variables }: CompiledPolicy, base: Record<string, unknown>): object {
  const composed = {};
  for (const { name, program } of variables) {
    let known: { value: unknown } | undefined;
    Object.defineProperty(composed, name, {
      enumerable: true,
      get: () => {
        known ??= { value: program.evaluate({ ...base, variables: composed }) };
        return known.value;
      },
    });
  }
  return composed;
}

function messageOf(
  { program, message, messageProgram }: CompiledValidation,
  values: Record<string, unknown>,
): string {
  const fallback = message || `failed expression: ${program.source.trim()}`;
  if (!messageProgram) return fallback;
  try {
    const text = messageProgram.evaluate(values);
    return typeof text === 'string' && text.trim() !== '' ? text : fallback;
  } catch (error) {
    // A message that cannot be made is not worth failing over: the fixed one stands in.
    if (error instanceof CelError) return fallback;
    throw error;
  }
}

function enforce(
  { spec, metadata }: ValidatingAdmissionPolicyBinding,
  attributes: AdmissionAttributes,
  violation: Violation,
): void {
  if (spec.validationActions.includes('Deny')) throw refusal(metadata.name, spec, attributes, violation);
  if (!spec.validationActions.includes('Warn')) return;
  const warning = `Validation failed for ValidatingAdmissionPolicy '${spec.policyName}' with binding '${metadata.name}': ${violation.text}`;
  attributes.request.warnings.push(warning);
}

function refusal(
  bindingName: string,
  { policyName }: ValidatingAdmissionPolicyBinding['spec'],
  { request, name }: AdmissionAttributes,
  { text, reason }: Violation,
): StatusError {
  const { resource } = request;
  const why = `ValidatingAdmissionPolicy '${policyName}' with binding '${bindingName}' denied request: ${text}`;
  const message = `${qualifiedName(resource)} ${JSON.stringify(name)} is forbidden: ${why}`;
  return new StatusError(reasonCodes[reason] ?? 422, reason, message, {
    ...(name && { name }),
    ...(resource.group && { group: resource.group }),
    kind: resource.plural,
    causes: [{ message: why }],
  });
}
