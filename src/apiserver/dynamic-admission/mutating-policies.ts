/** MutatingAdmissionPolicies: changes of objects in CEL, as apply configurations or JSON patches, that need no webhook. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { withMapsForObjects } from '../../api/cel/struct-literals.ts';
import { jsonOfCel, untypedCelValue } from '../../api/cel/values.ts';
import type { KubeObject } from '../../api/meta.ts';
import { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../api/resources.gen.ts';
import { asJsonObject, isObject, type JsonObject } from '../../api/schema/decode.ts';
import { applyJsonPatch, JsonPatchError, type JsonPatchOperation } from '../../api/schema/json-patch.ts';
import { cloneJson, equalJson } from '../../api/schema/json-value.ts';
import { type SchemaNode, schemaNode } from '../../api/schema/schemas.ts';
import { checkTyped } from '../../api/schema/typed-check.ts';
import { mergeTyped, TypedValueError } from '../../api/schema/typed-value.ts';
import { StatusError } from '../../api/status.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission/admission.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { type CompiledBinding, PolicyBindings, type PolicyOptions } from './policy-bindings.ts';
import { admissionRequestOf, objectAfter, schemaOfKind } from './review.ts';

interface CompiledMutation {
  type: 'ApplyConfiguration' | 'JSONPatch';
  program: CelProgram;
}

type Mutations = readonly CompiledMutation[];
type Bound = CompiledBinding<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutations>;

export function mutatingPolicyPlugin(options: PolicyOptions): AdmissionPlugin {
  const policies = new MutatingPolicies(options);
  return {
    name: 'MutatingAdmissionPolicy',
    handlesAnyKind: true,
    mutate: (attributes) => policies.mutate(attributes),
  };
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

  /** One after the other, each seeing what those before it changed; then again those that asked for it. */
  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const asked: { bound: Bound; sawLast: KubeObject | undefined }[] = [];
    for (const bound of this.#bindings.concerning(attributes)) {
      if (await this.#mutateBy(bound, attributes)) asked.push({ bound, sawLast: attributes.object });
    }
    for (const { bound, sawLast } of asked) {
      const wantsAgain = bound.policy.policy.spec.reinvocationPolicy === 'IfNeeded';
      if (wantsAgain && !equalJson(sawLast, attributes.object)) await this.#mutateBy(bound, attributes);
    }
  }

  /** False when the policy has nothing to do with the request. */
  async #mutateBy(bound: Bound, attributes: AdmissionAttributes): Promise<boolean> {
    if (!attributes.object) return false;
    const shown = this.#bindings.match(bound, attributes);
    if (!shown) return false;
    for (const params of this.#bindings.paramsOf(bound, attributes)) {
      const before = await admissionRequestOf(attributes, shown, this.#random.uuid());
      const answers = this.#bindings.accessAnswers();
      const base = await this.#bindings.variablesOf(attributes, shown, answers);
      const object = asJsonObject(before.object!);
      const fields = fieldsSeen(attributes, shown);
      try {
        const mutated = await answers.settled(() => {
          const values = this.#bindings.prepare(bound.policy, base, params);
          return values === 'does not concern'
            ? values
            : mutatedBy(bound.policy.content ?? [], object, values, fields);
        });
        if (mutated === 'does not concern') continue;
        attributes.object = await objectAfter(attributes, shown, mutated);
      } catch (error) {
        if (!isFailureOfPolicy(error)) throw error;
        if (bound.policy.policy.spec.failurePolicy === 'Ignore') continue;
        throw this.#bindings.refusal(bound.binding, attributes, { text: error.message, reason: 'Invalid' });
      }
    }
    return true;
  }
}

function isFailureOfPolicy(error: unknown): error is Error {
  return (
    error instanceof CelError ||
    error instanceof JsonPatchError ||
    error instanceof TypedValueError ||
    error instanceof StatusError
  );
}

function compileMutations({ spec }: MutatingAdmissionPolicy): Mutations {
  return (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }) => {
    const type = patchType === 'JSONPatch' ? 'JSONPatch' : 'ApplyConfiguration';
    const { expression = '' } = (type === 'JSONPatch' ? jsonPatch : applyConfiguration) ?? {};
    return { type, program: compileCel(withMapsForObjects(expression), policyVariables) };
  });
}

/** The object after all mutations; each sees what those before it made. */
function mutatedBy(
  mutations: Mutations,
  object: JsonObject,
  values: Record<string, unknown>,
  fields: SchemaNode | undefined,
): JsonObject {
  let mutated = cloneJson(object);
  for (const { type, program } of mutations) {
    const result = jsonOfCel(program.evaluate({ ...values, object: untypedCelValue(mutated) }));
    mutated = type === 'JSONPatch' ? patched(mutated, result) : merged(mutated, result, fields);
  }
  return mutated;
}

function patched(object: JsonObject, operations: unknown): JsonObject {
  if (!Array.isArray(operations)) throw new CelError('the expression of a JSON patch must give a list');
  const result = applyJsonPatch(object, operations as JsonPatchOperation[]);
  if (!isObject(result)) throw new JsonPatchError('the patched value is no object');
  return result;
}

/** Merged as server-side apply merges: maps by key, lists as their schema says. */
function merged(object: JsonObject, configuration: unknown, fields: SchemaNode | undefined): JsonObject {
  if (!isObject(configuration))
    throw new CelError('the expression of an apply configuration must give an object');
  checkTyped(configuration, fields);
  return mergeTyped(object, configuration, fields);
}

function fieldsSeen({ objectKind }: AdmissionAttributes, { codec }: ServedResource): SchemaNode | undefined {
  const fields = objectKind ? schemaOfKind(objectKind) : codec.fields;
  return typeof fields === 'string' ? schemaNode(fields) : fields;
}
