/** ValidatingAdmissionPolicies: validation rules in CEL that need no webhook. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import type { AdmissionMetrics, PolicyAction } from '../metrics/admission-metrics.ts';
import {
  type CompiledBinding,
  type CompiledPolicy,
  PolicyBindings,
  type PolicyOptions,
} from './policy-bindings.ts';

interface CompiledValidation {
  program: CelProgram;
  message: string | undefined;
  messageProgram: CelProgram | undefined;
  reason: string;
}

type Validations = readonly CompiledValidation[];
type Bound = CompiledBinding<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Validations>;

interface Violation {
  text: string;
  reason: string;
  /** True when the policy could not be judged at all. */
  failed: boolean;
}

const actions: Readonly<Record<string, PolicyAction>> = { Deny: 'deny', Warn: 'warn', Audit: 'audit' };

export interface ValidatingPolicyOptions extends PolicyOptions {
  clock: Clock;
  metrics: AdmissionMetrics;
}

export function policyPlugin(options: ValidatingPolicyOptions): AdmissionPlugin {
  const policies = new Policies(options);
  return {
    name: 'ValidatingAdmissionPolicy',
    handlesAnyKind: true,
    validate: (attributes) => policies.validate(attributes),
  };
}

class Policies {
  readonly #options: ValidatingPolicyOptions;
  readonly #bindings: PolicyBindings<
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    Validations
  >;

  constructor(options: ValidatingPolicyOptions) {
    this.#options = options;
    this.#bindings = new PolicyBindings(options, {
      policy: ValidatingAdmissionPolicy,
      binding: ValidatingAdmissionPolicyBinding,
      word: 'ValidatingAdmissionPolicy',
      compile: compileValidations,
    });
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    for (const bound of this.#bindings.concerning(attributes)) await this.#judge(bound, attributes);
  }

  async #judge(bound: Bound, attributes: AdmissionAttributes): Promise<void> {
    const shown = this.#bindings.match(bound, attributes);
    if (!shown) return;
    const answers = this.#bindings.accessAnswers();
    const base = await this.#bindings.variablesOf(attributes, shown, answers);
    for (const params of this.#bindings.paramsOf(bound, attributes)) {
      const { policy } = bound;
      const startMs = this.#options.clock.monotonic();
      const violations = await answers.settled(() =>
        violationsOf(policy, () => this.#bindings.prepare(policy, base, params)),
      );
      const tookMs = this.#options.clock.monotonic() - startMs;
      if (violations.length === 0) this.#count(bound, 'allow', false, tookMs);
      for (const violation of violations) {
        for (const action of bound.binding.spec.validationActions)
          this.#count(bound, actions[action]!, violation.failed, tookMs);
        this.#enforce(bound, attributes, violation);
      }
    }
  }

  #count({ binding }: Bound, action: PolicyAction, failed: boolean, tookMs: number): void {
    const { metadata, spec } = binding;
    const seconds = tookMs / 1000;
    this.#options.metrics.policy({
      policy: spec.policyName ?? '',
      binding: metadata.name,
      action,
      failed,
      seconds,
    });
  }

  #enforce({ binding }: Bound, attributes: AdmissionAttributes, violation: Violation): void {
    const { spec, metadata } = binding;
    if (spec.validationActions.includes('Deny')) throw this.#bindings.refusal(binding, attributes, violation);
    if (!spec.validationActions.includes('Warn')) return;
    const warning = `Validation failed for ValidatingAdmissionPolicy '${spec.policyName}' with binding '${metadata.name}': ${violation.text}`;
    attributes.request.warnings.push(warning);
  }
}

function compileValidations({ spec }: ValidatingAdmissionPolicy): Validations {
  return (spec.validations ?? []).map((validation) => ({
    program: compileCel(validation.expression, policyVariables),
    message: validation.message,
    messageProgram: validation.messageExpression
      ? compileCel(validation.messageExpression, policyVariables)
      : undefined,
    reason: validation.reason ?? 'Invalid',
  }));
}

function violationsOf(
  { policy, content = [] }: CompiledPolicy<ValidatingAdmissionPolicy, Validations>,
  prepare: () => Record<string, unknown> | 'does not concern',
): Violation[] {
  const ignoresFailures = policy.spec.failurePolicy === 'Ignore';
  let values: Record<string, unknown>;
  try {
    const prepared = prepare();
    if (prepared === 'does not concern') return [];
    values = prepared;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return ignoresFailures ? [] : [{ text: error.message, reason: 'Invalid', failed: true }];
  }
  const violations: Violation[] = [];
  for (const validation of content) {
    try {
      if (validation.program.evaluate(values) === true) continue;
      violations.push({ text: messageOf(validation, values), reason: validation.reason, failed: false });
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const text = `expression '${validation.program.source}' resulted in error: ${error.message}`;
      if (!ignoresFailures) violations.push({ text, reason: 'Invalid', failed: true });
    }
  }
  return violations;
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
