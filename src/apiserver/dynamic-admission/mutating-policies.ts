/** MutatingAdmissionPolicies: changes of objects in CEL, as apply configurations or JSON patches, that need no webhook. */

import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { misnamedIn, typeNameOf } from '../../api/cel/libraries/named-objects.ts';
import { withMapsForObjects } from '../../api/cel/struct-literals.ts';
import { goTypeOf, jsonOfCel } from '../../api/cel/values.ts';
import type { KubeObject } from '../../api/meta.ts';
import { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../api/resources.gen.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { atomicsIn } from '../../api/schema/fields/atomics.ts';
import { checkTyped } from '../../api/schema/fields/typed-check.ts';
import { mergeTyped } from '../../api/schema/fields/typed-merge.ts';
import { TypedValueError } from '../../api/schema/fields/typed-value.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import {
  applyJsonPatch,
  JsonPatchError,
  type JsonPatchOperation,
  JsonPatchTestError,
} from '../../api/schema/patch/json-patch.ts';
import { type SchemaNode, schemaNode } from '../../api/schema/schemas.ts';
import { internalError, StatusError } from '../../api/status.ts';
import { isJsonObject, type JsonObject } from '../../base/json-object.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import { Reinvocation } from '../admission/reinvocation.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import type { AccessAnswers } from './access-answers.ts';
import { type CompiledBinding, PolicyBindings, type PolicyOptions } from './policy-bindings.ts';
import { admissionRequestOf, objectAfter, schemaOfKind } from './review.ts';

interface CompiledMutation {
  type: 'ApplyConfiguration' | 'JSONPatch';
  program: CelProgram;
  /** As the policy has it, for messages. */
  expression: string;
}

type Mutations = readonly CompiledMutation[];
type Bound = CompiledBinding<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutations>;

export function mutatingPolicyPlugin(options: PolicyOptions): AdmissionPlugin {
  const policies = new MutatingPolicies(options);
  return {
    name: 'MutatingAdmissionPolicy',
    operations: ['CREATE', 'UPDATE', 'CONNECT'],
    handlesAnyKind: true,
    mutate: (attributes) => policies.mutate(attributes),
  };
}

/** One policy with one binding and one parameter. */
interface Invocation {
  bound: Bound;
  shown: ServedResource;
  params: KubeObject | null;
}

/** Why a policy could not do its part. */
interface Failure {
  policy: MutatingAdmissionPolicy;
  message: string;
  reason: 'Invalid' | 'Forbidden';
}

class MutatingPolicies {
  readonly #random: PolicyOptions['random'];
  readonly #bindings: PolicyBindings<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutations>;

  constructor(options: PolicyOptions) {
    this.#random = options.random;
    this.#bindings = new PolicyBindings(options, {
      policy: MutatingAdmissionPolicy,
      binding: MutatingAdmissionPolicyBinding,
      word: 'policy',
      compile: compileMutations,
    });
  }

  /** Undefined when there is none to ask. */
  mutate(attributes: AdmissionAttributes): Promise<void> | undefined {
    const concerned = this.#bindings.concerning(attributes);
    return concerned.length > 0 ? this.#mutateByAll(concerned, attributes) : undefined;
  }

  /** One after the other, each seeing what those before it changed. All failures are reported together. */
  async #mutateByAll(concerned: readonly Bound[], attributes: AdmissionAttributes): Promise<void> {
    if (!attributes.object) return;
    const failures: Failure[] = [];
    const invocations = this.#invocations(concerned, attributes, failures);
    attributes.reinvocation ??= new Reinvocation();
    const again = attributes.reinvocation.of('MutatingAdmissionPolicy');
    again.begin(attributes.object);
    let didMutate = false;
    for (const invocation of invocations) {
      const key = keyOf(invocation);
      if (!again.isTurnOf(key)) continue;
      const before = attributes.object;
      const outcome = await this.#mutateBy(invocation, attributes, failures);
      if (outcome === 'does not concern') continue;
      didMutate ||= outcome === 'mutated';
      if (!equalJson(before, attributes.object)) again.changed();
      if (invocation.bound.policy.policy.spec.reinvocationPolicy === 'IfNeeded') again.add(key);
    }
    // Unlike a webhook, a policy is asked again after its own change, too, and after one that changed nothing.
    if (didMutate) again.changed();
    again.end(attributes.object);
    refuseFor(failures, attributes);
  }

  /** Who is asked is decided before anybody changes the object. */
  #invocations(
    concerned: readonly Bound[],
    attributes: AdmissionAttributes,
    failures: Failure[],
  ): Invocation[] {
    return concerned.flatMap((bound) => {
      const shown = this.#bindings.match(bound, attributes);
      if (!shown) return [];
      const { policy } = bound.policy;
      const params = this.#bindings.paramsOf(bound, attributes);
      if (!('error' in params)) return params.map((each) => ({ bound, shown, params: each }));
      const { error, of } = params;
      const subject = of === 'policy' ? JSON.stringify(policy.metadata.name) : subjectOf(bound);
      const message = `policy ${subject} denied request: failed to configure ${of}: ${error}`;
      failures.push({ policy, message, reason: 'Forbidden' });
      return [];
    });
  }

  /** A mutation that fails leaves what those before it made, and the next ones their turn. */
  async #mutateBy(
    invocation: Invocation,
    attributes: AdmissionAttributes,
    failures: Failure[],
  ): Promise<'does not concern' | 'mutated' | 'failed'> {
    const { bound, shown, params } = invocation;
    const answers = this.#bindings.accessAnswers();
    const base = await this.#bindings.variablesOf(attributes, shown, answers);
    const prepared = await attempt(invocation, failures, () =>
      answers.settled(() => this.#bindings.prepare(bound.policy, base, params)),
    );
    if (!prepared) return 'failed';
    if (prepared === 'does not concern') return prepared;
    let outcome: 'mutated' | 'failed' = 'failed';
    for (const mutation of bound.policy.content ?? []) {
      const mutated = await attempt(invocation, failures, () =>
        this.#mutated(mutation, invocation, attributes, answers),
      );
      if (!mutated) continue;
      attributes.object = mutated;
      outcome = 'mutated';
    }
    return outcome;
  }

  /** The object after one mutation. Its expression and the policy's variables see what those before it made. */
  async #mutated(
    mutation: CompiledMutation,
    { bound, shown, params }: Invocation,
    attributes: AdmissionAttributes,
    answers: AccessAnswers,
  ): Promise<KubeObject> {
    const { object } = await admissionRequestOf(attributes, shown, this.#random.uuid());
    const base = await this.#bindings.variablesOf(attributes, shown, answers);
    const fields = fieldsSeen(attributes, shown);
    const mutated = await answers.settled(() => {
      const values = this.#bindings.compose(bound.policy, base, params);
      return mutatedBy(mutation, asJsonObject(object!), values, fields);
    });
    // A configuration has been held against the fields already.
    return objectAfter(attributes, shown, mutated, mutation.type === 'JSONPatch' ? 'Strict' : 'Ignore');
  }
}

/** Undefined when the policy is at fault, which is noted. @throws StatusError for what the request cannot survive */
async function attempt<Result>(
  { bound }: Invocation,
  failures: Failure[],
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isFailureOfPolicy(error)) throw error instanceof StatusError ? asInternal(error) : error;
    const message = `policy ${subjectOf(bound)} denied request: ${error.message}`;
    failures.push({ policy: bound.policy.policy, message, reason: 'Invalid' });
    return undefined;
  }
}

function subjectOf({ binding }: Bound): string {
  return `'${binding.spec.policyName}' with binding '${binding.metadata.name}'`;
}

function keyOf({ bound: { binding }, params }: Invocation): string {
  const { namespace = '', name = '' } = params?.metadata ?? {};
  return [binding.spec.policyName, binding.metadata.name, namespace, name].join(' ');
}

/** In upstream's odd mixture: always 403, with the first failure's message and reason. @throws StatusError */
function refuseFor(failures: readonly Failure[], { request, name }: AdmissionAttributes): void {
  const enforced = failures.filter(({ policy }) => policy.spec.failurePolicy !== 'Ignore');
  const [first] = enforced;
  if (!first) return;
  const { group, plural } = request.resource;
  const details = {
    ...(name && { name }),
    ...(group && { group }),
    kind: plural,
    causes: enforced.map(({ message }) => ({ message })),
  };
  throw new StatusError(403, first.reason, first.message, { details });
}

/** What a policy makes has to be an object of its kind; the client has done nothing wrong. */
function asInternal(error: StatusError): StatusError {
  return error.code === 400
    ? internalError(error.message.replace(/^.* cannot be handled as an? \w+: /, ''))
    : error;
}

function isFailureOfPolicy(error: unknown): error is Error {
  return error instanceof CelError || error instanceof JsonPatchError || error instanceof TypedValueError;
}

function compileMutations({ spec }: MutatingAdmissionPolicy): Mutations {
  return (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }) => {
    const type = patchType === 'JSONPatch' ? 'JSONPatch' : 'ApplyConfiguration';
    const { expression = '' } = (type === 'JSONPatch' ? jsonPatch : applyConfiguration) ?? {};
    return { type, expression, program: compileCel(withMapsForObjects(expression), policyVariables) };
  });
}

function mutatedBy(
  mutation: CompiledMutation,
  object: JsonObject,
  values: Record<string, unknown>,
  fields: SchemaNode | undefined,
): JsonObject {
  const given = evaluated(mutation, values);
  checkOperations(mutation, given);
  checkTypeNames(mutation, given);
  const result = jsonOfCel(given);
  return mutation.type === 'JSONPatch'
    ? patched(object, result as JsonPatchOperation[])
    : merged(object, result, fields);
}

/** @throws CelError that names the expression */
function evaluated({ program, expression }: CompiledMutation, values: Record<string, unknown>): unknown {
  try {
    return program.evaluate(values);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new CelError(`expression '${expression}' resulted in error: ${error.message}`);
  }
}

/** Of a patch's values, only objects are looked at: not what lists and maps hold. @throws CelError */
function checkTypeNames({ type }: CompiledMutation, given: unknown): void {
  const roots = type === 'ApplyConfiguration' ? [given] : valuesOf(given).filter(typeNameOf);
  for (const root of roots) {
    const problems = misnamedIn(root);
    if (problems.length > 0) throw new CelError(`type mismatch: ${problems.join('\n')}`);
  }
}

function valuesOf(operations: unknown): unknown[] {
  return Array.isArray(operations) ? operations.map((operation: JsonObject) => operation.value) : [];
}

/** What an expression of type dyn gives may not be as a patch's operations have to be. @throws CelError */
function checkOperations({ type, expression }: CompiledMutation, given: unknown): void {
  if (type !== 'JSONPatch') return;
  if (!Array.isArray(given))
    throw new CelError('type mismatch: JSONPatchType.expression should evaluate to array');
  for (const operation of given as JsonObject[])
    for (const field of ['op', 'path', 'from'])
      if (operation[field] !== undefined && typeof operation[field] !== 'string') {
        const problem = `unexpected type ${goTypeOf(operation[field])} for JSONPatchType '${field}' field`;
        throw new CelError(`expression '${expression}' resulted in error: ${problem}`);
      }
}

/** A patch whose test fails does nothing. */
function patched(object: JsonObject, operations: readonly JsonPatchOperation[]): JsonObject {
  try {
    const result = applyJsonPatch(
      object,
      operations.map((operation) => ({ ...operation, op: operation.op ?? '', path: operation.path ?? '' })),
    );
    if (!isJsonObject(result)) throw new JsonPatchError('the patched value is no object');
    return result;
  } catch (error) {
    if (error instanceof JsonPatchTestError) return object;
    if (error instanceof JsonPatchError) throw new JsonPatchError(`JSON Patch: ${error.message}`);
    throw error;
  }
}

/**
 * Merged as server-side apply merges: maps by key, lists as their schema says. What would be replaced as a whole is
 * refused, as its author may not know what gets lost.
 */
function merged(object: JsonObject, configuration: unknown, fields: SchemaNode | undefined): JsonObject {
  if (!isJsonObject(configuration))
    throw new CelError('the expression of an apply configuration must give an object');
  explained('failed to convert patch object to typed object', () => checkTyped(configuration, fields));
  const atomics = [...atomicsIn(configuration, fields)];
  if (atomics.length > 0) {
    const why = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
    throw new TypedValueError(`error applying patch: invalid ApplyConfiguration: ${why}`);
  }
  const result = explained('failed to merge patch', () => mergeTyped(object, configuration, fields));
  // What it says of its own type does not count.
  return { ...result, apiVersion: object.apiVersion, kind: object.kind };
}

/** @throws TypedValueError that says in which step it was met */
function explained<Result>(step: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TypedValueError)) throw error;
    throw new TypedValueError(`error applying patch: ${step}: ${error.message}`);
  }
}

function fieldsSeen({ objectKind }: AdmissionAttributes, { codec }: ServedResource): SchemaNode | undefined {
  const fields = objectKind ? schemaOfKind(objectKind) : codec.fields;
  return typeof fields === 'string' ? schemaNode(fields) : fields;
}
