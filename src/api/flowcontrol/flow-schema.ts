/** FlowSchemas. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { FlowSchema } from '../resources.gen.ts';
import { equalJson } from '../schema/json-value.ts';
import type {
  FlowDistinguisherMethod,
  PolicyRulesWithSubjects,
  ServiceAccountSubject,
  Subject,
} from '../types/flowcontrol-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { dnsLabelProblems, subdomainProblems } from '../validation/names.ts';
import { validateConditionTypes } from './condition-types.ts';
import { mandatorySchemas } from './mandatory.ts';

const precedenceDefault = 1000;
const precedenceMax = 10000;

export const flowSchemaKind = defineKind(FlowSchema, {
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    column('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
    column('MatchingPrecedence', ({ spec }) => spec?.matchingPrecedence ?? 0),
    column('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    column(
      'MissingPL',
      ({ status }) => (status?.conditions ?? []).find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
  defaults({ spec }) {
    if (spec) spec.matchingPrecedence ||= precedenceDefault;
  },
  prepareCreate(schema) {
    schema.status = {};
  },
  prepareStatusUpdate(schema, old) {
    schema.spec = old.spec!;
  },
  *validate({ metadata, spec, status }, { subresource }) {
    if (subresource === 'status') yield* validateConditionTypes(status?.conditions);
    if (subresource === 'status' || !spec) return;
    const precedence = spec.matchingPrecedence ?? 0;
    if (precedence <= 0)
      yield invalidValue('spec.matchingPrecedence', precedence, 'must be a positive value');
    if (precedence > precedenceMax)
      yield invalidValue('spec.matchingPrecedence', precedence, `must not be greater than ${precedenceMax}`);
    if (precedence === 1 && metadata.name !== 'exempt')
      yield invalidValue(
        'spec.matchingPrecedence',
        precedence,
        "only the schema named 'exempt' may have matchingPrecedence 1",
      );
    if (spec.distinguisherMethod) yield* validateDistinguisher(spec.distinguisherMethod);
    const level = spec.priorityLevelConfiguration?.name;
    if (!level) yield required('spec.priorityLevelConfiguration.name', 'must reference a priority level');
    else yield* invalidFor('spec.priorityLevelConfiguration.name', level, subdomainProblems(level));
    for (const [index, rule] of (spec.rules ?? []).entries())
      yield* validateRule(rule, `spec.rules[${index}]`);
    const fixed = mandatorySchemas.get(metadata.name);
    if (fixed && !equalJson(spec, fixed))
      yield invalidValue(
        'spec',
        innerForm('flowcontrol.FlowSchemaSpec', spec),
        `spec of '${metadata.name}' must equal the fixed value`,
      );
  },
  versions: [
    { version: 'v1beta3', deprecation: deprecated('1.29', '1.32') },
    { version: 'v1beta2', deprecation: deprecated('1.26', '1.29') },
    { version: 'v1beta1', deprecation: deprecated('1.23', '1.26') },
  ],
});

function deprecated(since: string, removedIn: string) {
  return { since, removedIn, replacement: 'flowcontrol.apiserver.k8s.io/v1 FlowSchema' };
}

function* validateRule(rule: PolicyRulesWithSubjects, field: string): FieldErrors {
  if (!rule.subjects?.length) yield required(`${field}.subjects`, 'subjects must contain at least one value');
  for (const [index, subject] of (rule.subjects ?? []).entries())
    yield* validateSubject(subject, `${field}.subjects[${index}]`);
  if (!rule.resourceRules?.length && !rule.nonResourceRules?.length)
    yield required(field, 'at least one of resourceRules and nonResourceRules has to be non-empty');
  for (const [index, resources] of (rule.resourceRules ?? []).entries()) {
    const path = `${field}.resourceRules[${index}]`;
    yield* validateVerbs(resources.verbs, `${path}.verbs`);
    yield* validateNames(resources.apiGroups, `${path}.apiGroups`, 'api group');
    yield* validateNames(resources.resources, `${path}.resources`, 'resource');
    if (!resources.namespaces?.length && !resources.clusterScope)
      yield required(
        `${path}.namespaces`,
        'resource rules that are not cluster scoped must supply at least one namespace',
      );
    yield* validateNamespaces(resources.namespaces ?? [], `${path}.namespaces`);
  }
  for (const [index, urls] of (rule.nonResourceRules ?? []).entries()) {
    const path = `${field}.nonResourceRules[${index}]`;
    yield* validateVerbs(urls.verbs, `${path}.verbs`);
    if (!urls.nonResourceURLs?.length)
      yield required(`${path}.nonResourceURLs`, 'nonResourceURLs must contain at least one value');
    yield* validateUrls(urls.nonResourceURLs ?? [], `${path}.nonResourceURLs`);
  }
}

function* validateNames(names: readonly string[] | undefined, field: string, what: string): FieldErrors {
  if (!names?.length) yield required(field, `resource rules must supply at least one ${what}`);
  else if (names.length > 1 && names.includes('*'))
    yield invalidValue(field, names, `if '*' is present, must not specify other ${what}s`);
}

function* validateUrls(urls: readonly string[], field: string): FieldErrors {
  if (!urls.includes('*'))
    for (const [index, url] of urls.entries()) yield* validateUrl(url, `${field}[${index}]`);
  else if (urls.length > 1)
    yield invalidValue(field, urls, "if '*' is present, must not specify other non-resource URLs");
}

function* validateNamespaces(namespaces: readonly string[], field: string): FieldErrors {
  if (namespaces.includes('*')) {
    if (namespaces.length > 1)
      yield invalidValue(field, namespaces, "if '*' is present, must not specify other namespaces");
    return;
  }
  const rule = "each member of this list must be '*' or a DNS-1123 label; ";
  for (const [index, namespace] of namespaces.entries())
    for (const problem of dnsLabelProblems(namespace))
      yield invalidValue(`${field}[${index}]`, namespace, rule + problem);
}

/** Says the first thing that is wrong. */
function* validateUrl(url: string, field: string): FieldErrors {
  const wildcards = url.split('*').length - 1;
  if (url === '') yield invalidValue(field, url, 'must not be empty');
  else if (!url.startsWith('/')) yield invalidValue(field, url, 'must start with slash');
  else if (url.includes(' ')) yield invalidValue(field, url, 'must not contain white-space');
  else if (url.includes('//')) yield invalidValue(field, url, 'must not contain double slash');
  else if (wildcards > 1 || (wildcards === 1 && !url.endsWith('/*')))
    yield invalidValue(field, url, 'wildcard can only do suffix matching');
}

const distinguishers = ['ByNamespace', 'ByUser'];

function* validateDistinguisher(method: FlowDistinguisherMethod): FieldErrors {
  if (!distinguishers.includes(method.type))
    yield notSupported(
      'spec.distinguisherMethod.type',
      innerForm('flowcontrol.FlowDistinguisherMethod', method),
      distinguishers,
    );
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

function* validateVerbs(given: readonly string[] | undefined, field: string): FieldErrors {
  if (!given?.length) {
    yield required(field, 'verbs must contain at least one value');
  } else if (given.includes('*')) {
    if (given.length > 1) yield invalidValue(field, given, "if '*' is present, must not specify other verbs");
  } else if (!given.every((verb) => verbs.includes(verb))) yield notSupported(field, given, verbs);
}

function* validateSubject(subject: Subject, field: string): FieldErrors {
  const { kind, user, group, serviceAccount } = subject;
  const unknown = oneOf(kind, ['Group', 'ServiceAccount', 'User'], `${field}.kind`);
  yield* unknown;
  if (unknown.length > 0) return;
  const all = { ServiceAccount: serviceAccount, User: user, Group: group };
  const fieldOf = (name: string) => `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
  const own = all[kind as keyof typeof all];
  const ownPath = `${field}.${fieldOf(kind)}`;
  if (!own) yield required(ownPath, `${fieldOf(kind)} is required when subject kind is '${kind}'`);
  else if (!own.name) yield required(`${ownPath}.name`);
  if (kind === 'ServiceAccount' && serviceAccount) yield* validateAccount(serviceAccount, ownPath);
  for (const [name, value] of Object.entries(all))
    if (value && name !== kind) {
      const other = fieldOf(name);
      yield forbiddenField(`${field}.${other}`, `${other} is forbidden when subject kind is not '${name}'`);
    }
}

function* validateAccount({ name, namespace }: ServiceAccountSubject, field: string): FieldErrors {
  if (name && name !== '*') yield* invalidFor(`${field}.name`, name, subdomainProblems(name));
  if (namespace) yield* invalidFor(`${field}.namespace`, namespace, dnsLabelProblems(namespace));
  else yield required(`${field}.namespace`, 'must specify namespace for service account');
}
