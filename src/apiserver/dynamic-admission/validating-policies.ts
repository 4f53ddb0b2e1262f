/** ValidatingAdmissionPolicies: validation rules in CEL that need no webhook. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../api/resources.gen.ts';
import type { StatusError } from '../../api/status.ts';
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

/** What a policy says of a request: whether it may be, and what the audit log is to note. */
interface Content {
  validations: readonly CompiledValidation[];
  notes: readonly { key: string; program: CelProgram }[];
}

type Binding = ValidatingAdmissionPolicyBinding;
type Bound = CompiledBinding<ValidatingAdmissionPolicy, Binding, Content>;

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

export function validatingPolicyPlugin(options: ValidatingPolicyOptions): AdmissionPlugin {
  const policies = new ValidatingPolicies(options);
  return {
    name: 'ValidatingAdmissionPolicy',
    handlesAnyKind: true,
    validate: (attributes) => policies.validate(attributes),
  };
}

class ValidatingPolicies {
  readonly #options: ValidatingPolicyOptions;
  readonly #bindings: PolicyBindings<ValidatingAdmissionPolicy, Binding, Content>;

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
    for (const bound of concerned) refusals.push(...(await this.#evaluate(bound, attributes)));
    if (refusals.length > 0) throw refusals[0];
  }

  /** Tells what one binding has to say, and returns why it refuses. */
  async #evaluate(bound: Bound, attributes: AdmissionAttributes): Promise<StatusError[]> {
    const { policy, binding } = bound;
    const shown = this.#bindings.match(bound, attributes);
    if (!shown) return [];
    const answers = this.#bindings.accessAnswers();
    const base = await this.#bindings.variablesOf(attributes, shown, answers);
    const found = this.#bindings.paramsOf(bound, attributes);
    if ('error' in found) {
      if (ignoresFailures(policy.policy)) return [];
      const text = `failed to configure ${found.of}: ${found.error}`;
      const refusal = { text, reason: 'Invalid', isOfPolicy: found.of === 'policy' };
      return [this.#bindings.refusal(binding, attributes, refusal)];
    }
    const refusals: StatusError[] = [];
    for (const params of found) {
      const startMs = this.#options.clock.monotonic();
      const evaluation = await answers.settled(() =>
        evaluate(policy, () => this.#bindings.prepare(policy, base, params)),
      );
      const seconds = (this.#options.clock.monotonic() - startMs) / 1000;
      this.#count(binding, evaluation, seconds);
      tell(binding, attributes, evaluation);
      refusals.push(...this.#refusalsOf(binding, attributes, evaluation));
    }
    return refusals;
  }

  #count({ metadata, spec }: Binding, { violations }: Evaluation, seconds: number): void {
    const count = (action: PolicyAction, failed: boolean) =>
      this.#options.metrics.policy({
        policy: spec.policyName ?? '',
        binding: metadata.name,
        action,
        failed,
        seconds,
      });
    if (violations.length === 0) count('allow', false);
    for (const { failed } of violations)
      for (const action of spec.validationActions) count(actions[action]!, failed);
  }

  #refusalsOf(
    binding: Binding,
    attributes: AdmissionAttributes,
    { violations, failedNotes }: Evaluation,
  ): StatusError[] {
    const denied = binding.spec.validationActions.includes('Deny') ? violations : [];
    const unmade = failedNotes.map((text) => ({ text, reason: 'Invalid' }));
    return [...denied, ...unmade].map((refusal) => this.#bindings.refusal(binding, attributes, refusal));
  }
}

/** The audit log, and the client by warnings. */
function tell(binding: Binding, attributes: AdmissionAttributes, { notes, violations }: Evaluation): void {
  const { metadata, spec } = binding;
  for (const [key, value] of notes) note(attributes, `${spec.policyName}/${key}`, value);
  for (const violation of violations) {
    if (spec.validationActions.includes('Audit')) noteFailure(binding, attributes, violation);
    if (spec.validationActions.includes('Warn'))
      attributes.request.warnings.push(
        `Validation failed for ValidatingAdmissionPolicy '${spec.policyName}' with binding '${metadata.name}': ${violation.text}`,
      );
  }
}

const failureAnnotation = 'validation.policy.admission.k8s.io/validation_failure';

/** Like upstream, reports only one failure of a request, though in a list. */
function noteFailure(
  { metadata, spec }: Binding,
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

/** `prepare`: makes the values that the policy's expressions see. @throws what they have to wait for */
function evaluate(
  { policy, content }: CompiledPolicy<ValidatingAdmissionPolicy, Content>,
  prepare: () => Record<string, unknown> | 'does not concern',
): Evaluation {
  const values = attempt(prepare);
  if (values === 'does not concern') return nothing;
  const found =
    values instanceof CelError
      ? { ...nothing, violations: [{ text: values.message, reason: 'Invalid', failed: true, index: 0 }] }
      : evaluateContent(content, values);
  if (!ignoresFailures(policy)) return found;
  return { ...found, violations: found.violations.filter(({ failed }) => !failed), failedNotes: [] };
}

function evaluateContent(content: Content | undefined, values: Record<string, unknown>): Evaluation {
  const violations = (content?.validations ?? []).map((validation, index) =>
    violationOf(validation, index, values),
  );
  const notes = new Map<string, string>();
  const failedNotes: string[] = [];
  for (const { key, program } of content?.notes ?? []) {
    const value = attempt(() => program.evaluate(values));
    if (value instanceof CelError) failedNotes.push(failureOf(program, value));
    else if (typeof value === 'string' && value.trim() !== '')
      notes.set(key, value.trim().slice(0, noteCharsMax));
  }
  return { violations: violations.filter((violation) => violation !== undefined), notes, failedNotes };
}

function violationOf(
  validation: CompiledValidation,
  index: number,
  values: Record<string, unknown>,
): Violation | undefined {
  const { program, reason } = validation;
  const outcome = attempt(() => program.evaluate(values));
  if (outcome === true) return undefined;
  if (outcome instanceof CelError)
    return { text: failureOf(program, outcome), reason: 'Invalid', failed: true, index };
  return { text: messageOf(validation, values), reason, failed: false, index };
}

/** The outcome of an expression, or what is wrong with it. */
function attempt<T>(evaluation: () => T): T | CelError {
  try {
    return evaluation();
  } catch (error) {
    if (error instanceof CelError) return error;
    throw error;
  }
}

function failureOf({ source }: CelProgram, { message }: CelError): string {
  return `expression '${source}' resulted in error: ${message}`;
}

function messageOf(
  { program, message, messageProgram }: CompiledValidation,
  values: Record<string, unknown>,
): string {
  const fallback = message?.trim() || `failed expression: ${program.source.trim()}`;
  // A message expression that fails must not fail the request: the fixed message is used instead.
  const text = messageProgram && attempt(() => messageProgram.evaluate(values));
  const line = typeof text === 'string' ? text.trim() : '';
  const isUsable = line !== '' && !line.includes('\n') && Buffer.byteLength(line) <= messageBytesMax;
  return isUsable ? line : fallback;
}
