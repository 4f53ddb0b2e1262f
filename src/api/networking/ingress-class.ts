/** IngressClasses. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { IngressClass } from '../resources.gen.ts';
import { validateDomainPrefixedPath } from '../validation/domain-path.ts';
import { type FieldErrors, forbiddenField, required, tooLong } from '../validation/field-error.ts';
import { immutable, invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { validateTypedReference } from './typed-reference.ts';

const controllerLengthMax = 250;

export const ingressClassKind = defineKind(IngressClass, {
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Controller', (ingressClass) => ingressClass.spec?.controller ?? ''),
    column('Parameters', parametersCell),
    ageColumn,
  ],
  defaults(ingressClass) {
    if (ingressClass.spec?.parameters) ingressClass.spec.parameters.scope ??= 'Cluster';
  },
  *validate(ingressClass) {
    const { controller, parameters } = ingressClass.spec ?? {};
    if (controller && controller.length > controllerLengthMax)
      yield tooLong('spec.controller', controllerLengthMax);
    yield* validateDomainPrefixedPath(controller ?? '', 'spec.controller');
    if (parameters) yield* validateParameters(parameters, 'spec.parameters');
  },
  *validateUpdate(ingressClass, old) {
    yield* immutable(ingressClass.spec?.controller ?? '', old.spec?.controller ?? '', 'spec.controller');
  },
  versions: [
    {
      version: 'v1beta1',
      deprecation: { since: '1.19', removedIn: '1.22', replacement: 'networking.k8s.io/v1 IngressClass' },
    },
  ],
});

function* validateParameters(
  parameters: NonNullable<NonNullable<IngressClass['spec']>['parameters']>,
  field: string,
): FieldErrors {
  yield* validateTypedReference(parameters, field);
  const { namespace } = parameters;
  yield* oneOf(parameters.scope, ['Cluster', 'Namespace'], `${field}.scope`, 'required');
  if (parameters.scope === 'Namespace' && namespace === undefined)
    yield required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'");
  else if (parameters.scope === 'Namespace')
    yield* invalidFor(`${field}.namespace`, namespace, dnsLabelProblems(namespace!));
  if (parameters.scope === 'Cluster' && parameters.namespace !== undefined)
    yield forbiddenField(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'");
}

function parametersCell({ spec }: IngressClass): string {
  const parameters = spec?.parameters;
  if (!parameters) return '<none>';
  const kind = parameters.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters.kind;
  return `${kind}/${parameters.name}`;
}
