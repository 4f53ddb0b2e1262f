/** ValidatingAdmissionPolicies: validation rules in CEL that need no webhook. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../api/resources.gen.ts';
import type { StatusError } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import type { AdmissionMetrics, PolicyAction, PolicyCheck } from '../metrics/admission-metrics.ts';
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

/** What a policy says of a request: whether it may be, and what the audit log is to note. */
interface Content {
  validations: readonly CompiledValidation[];
  notes: readonly { key: string; program: CelProgram }[];
}

type Bound = CompiledBinding<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Content>;

interface Evaluation {
  violations: readonly Violation[];
  /** By the policy's own keys. */
  notes: ReadonlyMap<string, string>;
  /** Why notes could not be made: the request is refused for it, whatever the binding's actions are. */
  failedNotes: readonly string[];
}

interface Violation {
  text: string;
  reason: string;
  /** True when the policy could not be evaluated at all. */
  failed: boolean;
  /** Of the validation, among the policy's. */
  index: number;
}

/** Of one value that the audit log notes. */
const noteCharsMax = 10 * 1024;
/** Of a message that an expression gives; a longer one is not used. */
const messageBytesMax = 5 * 1024;

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
  readonly #bindings: PolicyBindings<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, Content>;

  constructor(options: ValidatingPolicyOptions) {
    this.#options = options;
    this.#bindings = new PolicyBindings(options, {
      policy: ValidatingAdmissionPolicy,
      binding: ValidatingAdmissionPolicyBinding,
      word: 'ValidatingAdmissionPolicy',
      compile: compileContent,
    });
  }

  /** Undefined when there is none to ask. */
  validate(attributes: AdmissionAttributes): Promise<void> | undefined {
    const concerned = this.#bindings.concerning(attributes);
    return concerned.length > 0 ? this.#evaluateAll(concerned, attributes) : undefined;
  }

  /** All are asked, for their warnings and notes; the first refusal counts. */
  async #evaluateAll(concerned: readonly Bound[], attributes: AdmissionAttributes): Promise<void> {
    const refusals: StatusError[] = [];
    for (const bound of concerned) await this.#evaluate(bound, attributes, refusals);
    if (refusals.length > 0) throw refusals[0];
  }

  async #evaluate(bound: Bound, attributes: AdmissionAttributes, refusals: StatusError[]): Promise<void> {
    const shown = this.#bindings.match(bound, attributes);
    if (!shown) return;
    const answers = this.#bindings.accessAnswers();
    const base = await this.#bindings.variablesOf(attributes, shown, answers);
    const found = this.#bindings.paramsOf(bound, attributes);
    if ('error' in found) {
      const text = `failed to configure ${found.of}: ${found.error}`;
      const refusal = { text, reason: 'Invalid', isOfPolicy: found.of === 'policy' };
      if (!ignoresFailures(bound.policy.policy))
        refusals.push(this.#bindings.refusal(bound.binding, attributes, refusal));
      return;
    }
    for (const params of found) {
      const { policy } = bound;
      const startMs = this.#options.clock.monotonic();
      const { violations, notes, failedNotes } = await answers.settled(() =>
        evaluationOf(policy, () => this.#bindings.prepare(policy, base, params)),
      );
      const seconds = (this.#options.clock.monotonic() - startMs) / 1000;
      for (const [key, value] of notes) note(attributes, `${policy.policy.metadata.name}/${key}`, value);
      if (violations.length === 0) this.#count(bound, { action: 'allow', failed: false, seconds });
      for (const violation of violations) {
        for (const action of bound.binding.spec.validationActions)
          this.#count(bound, { action: actions[action]!, failed: violation.failed, seconds });
        this.#enforce(bound, attributes, { violation, refusals });
      }
      for (const text of failedNotes)
        refusals.push(this.#bindings.refusal(bound.binding, attributes, { text, reason: 'Invalid' }));
    }
  }

  #count({ binding }: Bound, check: Pick<PolicyCheck, 'action' | 'failed' | 'seconds'>): void {
    const { metadata, spec } = binding;
    this.#options.metrics.policy({ policy: spec.policyName ?? '', binding: metadata.name, ...check });
  }

  #enforce(
    { binding }: Bound,
    attributes: AdmissionAttributes,
    { violation, refusals }: { violation: Violation; refusals: StatusError[] },
  ): void {
    const { spec, metadata } = binding;
    if (spec.validationActions.includes('Audit')) noteFailure(binding, attributes, violation);
    if (spec.validationActions.includes('Deny'))
      refusals.push(this.#bindings.refusal(binding, attributes, violation));
    if (!spec.validationActions.includes('Warn')) return;
    const warning = `Validation failed for ValidatingAdmissionPolicy '${spec.policyName}' with binding '${metadata.name}': ${violation.text}`;
    attributes.request.warnings.push(warning);
  }
}

const failureAnnotation = 'validation.policy.admission.k8s.io/validation_failure';

/** Like upstream, reports only one failure of a request, though in a list. */
function noteFailure(
  { metadata, spec }: ValidatingAdmissionPolicyBinding,
  { request }: AdmissionAttributes,
  { text, index }: Violation,
): void {
  const { annotations } = request;
  if (!annotations || annotations[failureAnnotation] !== undefined) return;
  const { policyName, validationActions } = spec;
  const binding = metadata.name;
  annotations[failureAnnotation] = JSON.stringify([
    { message: text, policy: policyName, binding, expressionIndex: index, validationActions },
  ]);
}

/** Values that several bindings or parameters give for one key are joined. */
function note({ request: { annotations } }: AdmissionAttributes, key: string, value: string): void {
  if (!annotations) return;
  const before = annotations[key]?.split(', ') ?? [];
  if (!before.includes(value)) annotations[key] = [...before, value].join(', ');
}

function compileContent({ spec }: ValidatingAdmissionPolicy): Content {
  const { auditAnnotations = [] } = spec;
  return {
    validations: compileValidations(spec.validations),
    notes: auditAnnotations.map(({ key, valueExpression }) => ({
      key,
      program: compileCel(valueExpression, policyVariables),
    })),
  };
}

function compileValidations(
  validations: ValidatingAdmissionPolicy['spec']['validations'] = [],
): CompiledValidation[] {
  return validations.map((validation) => ({
    program: compileCel(validation.expression, policyVariables),
    message: validation.message,
    messageProgram: validation.messageExpression
      ? compileCel(validation.messageExpression, policyVariables)
      : undefined,
    reason: validation.reason ?? 'Invalid',
  }));
}

function ignoresFailures({ spec }: ValidatingAdmissionPolicy): boolean {
  return spec.failurePolicy === 'Ignore';
}

const nothing: Evaluation = { violations: [], notes: new Map(), failedNotes: [] };

function evaluationOf(
  { policy, content }: CompiledPolicy<ValidatingAdmissionPolicy, Content>,
  prepare: () => Record<string, unknown> | 'does not concern',
): Evaluation {
  const ignores = ignoresFailures(policy);
  let values: Record<string, unknown>;
  try {
    const prepared = prepare();
    if (prepared === 'does not concern') return nothing;
    values = prepared;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    const failure = { text: error.message, reason: 'Invalid', failed: true, index: 0 };
    return ignores ? nothing : { ...nothing, violations: [failure] };
  }
  const violations: Violation[] = [];
  const { validations = [], notes = [] } = content ?? {};
  for (const [index, validation] of validations.entries()) {
    try {
      if (validation.program.evaluate(values) === true) continue;
      violations.push({
        text: messageOf(validation, values),
        reason: validation.reason,
        failed: false,
        index,
      });
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const text = failureOf(validation.program, error);
      if (!ignores) violations.push({ text, reason: 'Invalid', failed: true, index });
    }
  }
  const answers = new Map<string, string>();
  const failedNotes: string[] = [];
  for (const { key, program } of notes) {
    try {
      const value = program.evaluate(values);
      if (typeof value === 'string' && value.trim() !== '')
        answers.set(key, value.trim().slice(0, noteCharsMax));
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      if (!ignores) failedNotes.push(failureOf(program, error));
    }
  }
  return { violations, notes: answers, failedNotes };
}

function failureOf({ source }: CelProgram, { message }: CelError): string {
  return `expression '${source}' resulted in error: ${message}`;
}

function messageOf(
  { program, message, messageProgram }: CompiledValidation,
  values: Record<string, unknown>,
): string {
  const fallback = message?.trim() || `failed expression: ${program.source.trim()}`;
  if (!messageProgram) return fallback;
  try {
    const text = messageProgram.evaluate(values);
    const line = typeof text === 'string' ? text.trim() : '';
    const isUsable = line !== '' && !line.includes('\n') && Buffer.byteLength(line) <= messageBytesMax;
    return isUsable ? line : fallback;
  } catch (error) {
    // A message expression that fails must not fail the request: the fixed message is used instead.
    if (error instanceof CelError) return fallback;
    throw error;
  }
}
