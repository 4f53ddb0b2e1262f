/** Tells in the status of ValidatingAdmissionPolicies what their expressions say of fields that no object has. */

import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { TypeChecker } from '../../api/cel/type-check.ts';
import { ValidatingAdmissionPolicy } from '../../api/resources.gen.ts';
import { type SchemaNode, schemaNode } from '../../api/schema/schemas.ts';
import { StatusError } from '../../api/status.ts';
import type { ExpressionWarning } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { type KeepInLineOptions, keepInLine } from '../keep-in-line.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';

export interface PolicyStatusOptions extends KeepInLineOptions {
  objects: ObjectReader;
  client: Client;
}

/** Types of one policy that are checked: upstream's limit. */
const typesMax = 10;

export function followPolicies(options: PolicyStatusOptions): Promise<void> {
  const { objects, kinds } = options;
  return keepInLine(options, [ValidatingAdmissionPolicy], 'the status of an admission policy', async () => {
    const policies = [...objects.list<ValidatingAdmissionPolicy>(ValidatingAdmissionPolicy)];
    const unseen = policies.filter(
      ({ metadata, status }) => (status?.observedGeneration ?? 0) < (metadata.generation ?? 0),
    );
    await Promise.all(unseen.map((policy) => writeStatus(policy, warningsOf(policy, kinds), options)));
  });
}

async function writeStatus(
  policy: ValidatingAdmissionPolicy,
  expressionWarnings: ExpressionWarning[],
  { client, signal }: PolicyStatusOptions,
): Promise<void> {
  const status = {
    ...policy.status,
    observedGeneration: policy.metadata.generation ?? 0,
    typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
  };
  try {
    await client.update(
      ValidatingAdmissionPolicy,
      { ...policy, status },
      { subresource: 'status', fieldManager: 'validatingadmissionpolicy-status-controller', signal },
    );
  } catch (error) {
    // Gone or changed meanwhile: the change itself brings the next round.
    const isRace = error instanceof StatusError && (error.code === 404 || error.code === 409);
    if (!isRace) throw error;
  }
}

/** What is wrong with each expression, type by type. */
function warningsOf({ spec }: ValidatingAdmissionPolicy, kinds: KindRegistry): ExpressionWarning[] {
  const checkers = typesOf(spec, kinds).map(({ name, node }) => ({
    name,
    checker: new TypeChecker(policyVariables, { object: node, oldObject: node }, spec.variables ?? []),
  }));
  const warnings: ExpressionWarning[] = [];
  const check = (expression: string | undefined, fieldRef: string) => {
    if (!expression) return;
    const found = checkers.flatMap(({ name, checker }) => {
      const problems = checker.problemsOf(expression);
      return problems.length > 0 ? [`${name}: ${problems.join('\n')}\n`] : [];
    });
    if (found.length > 0) warnings.push({ fieldRef, warning: found.join('\n') });
  };
  for (const [index, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
    check(expression, `spec.validations[${index}].expression`);
    check(messageExpression, `spec.validations[${index}].messageExpression`);
  }
  return warnings;
}

/** The types that the rules name one by one; what is said with a `*` could be anything. */
function typesOf(
  { matchConstraints }: ValidatingAdmissionPolicy['spec'],
  kinds: KindRegistry,
): { name: string; node: SchemaNode }[] {
  const types = new Map<string, SchemaNode>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of matchConstraints?.resourceRules ?? [])
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const plural of resources) {
          const resource = kinds.find(group, version, plural);
          const node = resource && nodeOf(resource);
          if (node) types.set(`${group}/${version}, Kind=${resource.kind}`, node);
        }
  return [...types].slice(0, typesMax).map(([name, node]) => ({ name, node }));
}

function nodeOf({ codec }: ServedResource): SchemaNode | undefined {
  const { fields } = codec;
  return typeof fields === 'string' ? schemaNode(fields) : fields;
}
