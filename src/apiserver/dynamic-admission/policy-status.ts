/** Type checking of ValidatingAdmissionPolicies: their status names fields of their expressions that no object has. */

import type { ExpressionScope } from '../../api/admissionregistration/expression-types.ts';
import { problemsOf, variableType } from '../../api/admissionregistration/expressions.ts';
import { typeOfNode } from '../../api/cel/check/node-types.ts';
import { type CelType, dyn } from '../../api/cel/check/types.ts';
import { ValidatingAdmissionPolicy } from '../../api/resources.gen.ts';
import { schemaNode } from '../../api/schema/schemas.ts';
import { StatusError } from '../../api/status.ts';
import type { ExpressionWarning } from '../../api/types/admissionregistration-v1.gen.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type ReconcileOnChangeOptions, reconcileOnChange } from '../reconcile-on-change.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';

export interface PolicyStatusOptions extends ReconcileOnChangeOptions {
  objects: ObjectReader;
  client: Client;
}

type PolicySpec = ValidatingAdmissionPolicy['spec'];
type Rule = NonNullable<NonNullable<PolicySpec['matchConstraints']>['resourceRules']>[number];

/** Types of one rule that are checked, after which no other rule is looked at: upstream's limit. */
const typesMax = 10;

export function followPolicies(options: PolicyStatusOptions): Promise<void> {
  const { objects, kinds } = options;
  return reconcileOnChange(
    options,
    [ValidatingAdmissionPolicy],
    'the status of an admission policy',
    async () => {
      const policies = [...objects.list<ValidatingAdmissionPolicy>(ValidatingAdmissionPolicy)];
      const unseen = policies.filter(
        ({ metadata, status }) => (status?.observedGeneration ?? 0) < (metadata.generation ?? 0),
      );
      await Promise.all(unseen.map((policy) => writeStatus(policy, warningsOf(policy, kinds), options)));
    },
  );
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

/** Type errors in each expression, type by type. */
function warningsOf({ spec }: ValidatingAdmissionPolicy, kinds: KindRegistry): ExpressionWarning[] {
  const params = paramsOf(spec, kinds);
  const scopes = resourcesOf(spec, kinds).map((resource) => ({
    name: `${apiVersionIn(resource)}, Kind=${resource.kind}`,
    scope: scopeOf(spec, typeOf(resource), params),
  }));
  const warnings: ExpressionWarning[] = [];
  const check = (expression: string | undefined, fieldRef: string) => {
    if (!expression) return;
    const found = scopes.flatMap(({ name, scope }) => {
      const problems = problemsOf(expression, scope);
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

/** What the expressions of a policy may speak of where it is about objects of one type. */
function scopeOf(spec: PolicySpec, object: CelType, params: CelType | undefined): ExpressionScope {
  const variables = new Map<string, CelType>();
  const scope = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true, object, params, variables };
  for (const { name, expression } of spec.variables ?? [])
    variables.set(name, variableType(expression, scope));
  return scope;
}

function paramsOf({ paramKind }: PolicySpec, kinds: KindRegistry): CelType | undefined {
  const { apiVersion = '', kind = '' } = paramKind ?? {};
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const resource = paramKind && kinds.findKind(group, version, kind);
  return resource && typeOf(resource);
}

/** Those that the rules name one by one; what is said with a `*` could be anything. */
function resourcesOf({ matchConstraints }: PolicySpec, kinds: KindRegistry): ServedResource[] {
  const found = new Map<string, ServedResource>();
  for (const rule of matchConstraints?.resourceRules ?? []) {
    const named = namedBy(rule, kinds).slice(0, typesMax);
    for (const one of named) found.set([one.group, one.version, one.kind].join('\0'), one);
    if (named.length === typesMax) break;
  }
  return [...found].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, resource]) => resource);
}

/** In the order of group, version and resource. */
function namedBy({ apiGroups = [], apiVersions = [], resources = [] }: Rule, kinds: KindRegistry) {
  return [...apiGroups]
    .sort()
    .flatMap((group) =>
      [...apiVersions]
        .sort()
        .flatMap((version) =>
          [...resources].sort().flatMap((plural) => kinds.find(group, version, plural) ?? []),
        ),
    );
}

function apiVersionIn({ group, version }: ServedResource): string {
  return `${group}/${version}`;
}

function typeOf({ codec, kind }: ServedResource): CelType {
  const { fields } = codec;
  const node = typeof fields === 'string' ? schemaNode(fields) : fields;
  return (node && typeOfNode(node, kind)) ?? dyn;
}
