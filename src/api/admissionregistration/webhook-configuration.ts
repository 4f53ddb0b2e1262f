/** Mutating and validating webhook configurations. */

import { ageColumn, countColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import { MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from '../resources.gen.ts';
import type {
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
} from '../types/admissionregistration-v1.gen.ts';
import { duplicate, type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';
import { dns1035LabelProblems, threeSegmentNameProblems } from '../validation/names.ts';
import { validateWebhookClient } from '../validation/webhook-client.ts';
import { validateMatchConditions } from './expressions.ts';
import { staticNameWarnings } from './static-names.ts';

type Webhook = ValidatingWebhook & Partial<Pick<MutatingWebhook, 'reinvocationPolicy'>>;
interface Configuration extends KubeObject {
  webhooks?: Webhook[];
}

const reviewVersions = ['v1', 'v1beta1'];
const timeoutSecondsMax = 30;

export const mutatingWebhookConfigurationKind = defineKind(MutatingWebhookConfiguration, {
  ...configurationFacts('MutatingWebhookConfiguration'),
  defaults(configuration) {
    for (const webhook of configuration.webhooks ?? []) {
      defaultWebhook(webhook as Webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
});

export const validatingWebhookConfigurationKind = defineKind(ValidatingWebhookConfiguration, {
  ...configurationFacts('ValidatingWebhookConfiguration'),
  defaults(configuration) {
    for (const webhook of configuration.webhooks ?? []) defaultWebhook(webhook);
  },
});

function configurationFacts(kind: string) {
  return {
    hasGeneration: true,
    requiresVersionOnUpdate: true,
    columns: [
      nameColumn,
      countColumn(
        'Webhooks',
        (configuration: KubeObject) => (configuration as Configuration).webhooks?.length ?? 0,
      ),
      ageColumn,
    ],
    warnings: ({ metadata }: KubeObject) => staticNameWarnings(metadata),
    validate: (configuration: KubeObject, { apiVersion }: { apiVersion?: string }) =>
      validateConfiguration(
        configuration as Configuration,
        apiVersion?.endsWith('/v1beta1') ? betaSideEffects : sideEffects,
      ),
    versions: [
      {
        version: 'v1beta1',
        defaults: defaultBeta,
        deprecation: {
          since: '1.16',
          removedIn: '1.22',
          replacement: `admissionregistration.k8s.io/v1 ${kind}`,
        },
      },
    ],
  };
}

function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  const service = webhook.clientConfig?.service;
  if (service) service.port ??= 443;
}

function defaultBeta(object: KubeObject): void {
  for (const webhook of ((object as Configuration).webhooks ?? []) as (Omit<Webhook, 'sideEffects'> & {
    sideEffects?: string;
  })[]) {
    webhook.failurePolicy ??= 'Ignore';
    webhook.matchPolicy ??= 'Exact';
    webhook.timeoutSeconds ??= 30;
    webhook.sideEffects ??= 'Unknown';
    if (!webhook.admissionReviewVersions?.length) webhook.admissionReviewVersions = ['v1beta1'];
  }
}

const sideEffects = ['None', 'NoneOnDryRun'];
const betaSideEffects = [...sideEffects, 'Some', 'Unknown'];

/** `supported`: the side effects allowed in the request's version. */
function* validateConfiguration({ webhooks = [] }: Configuration, supported: readonly string[]): FieldErrors {
  const names = new Set<string>();
  for (const [index, webhook] of webhooks.entries()) {
    const path = `webhooks[${index}]`;
    yield* validateWebhook(webhook, supported, path);
    if (names.has(webhook.name)) yield duplicate(`${path}.name`, webhook.name);
    names.add(webhook.name);
  }
}

function* validateWebhook(webhook: Webhook, supported: readonly string[], path: string): FieldErrors {
  if (!webhook.name) yield required(`${path}.name`);
  else yield* invalidFor(`${path}.name`, webhook.name, threeSegmentNameProblems(webhook.name));
  for (const [index, rule] of (webhook.rules ?? []).entries())
    yield* validateRule(rule, `${path}.rules[${index}]`);
  yield* oneOf(webhook.failurePolicy, ['Fail', 'Ignore'], `${path}.failurePolicy`, 'undefined');
  yield* oneOf(webhook.matchPolicy, ['Equivalent', 'Exact'], `${path}.matchPolicy`, 'undefined');
  yield* validateSideEffects(webhook.sideEffects, supported, `${path}.sideEffects`);
  const seconds = webhook.timeoutSeconds;
  if (seconds !== undefined && (seconds < 1 || seconds > timeoutSecondsMax))
    yield invalidValue(
      `${path}.timeoutSeconds`,
      seconds,
      `the timeout value must be between 1 and ${timeoutSecondsMax} seconds`,
    );
  yield* validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`);
  yield* validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`);
  yield* oneOf(webhook.reinvocationPolicy, ['IfNeeded', 'Never'], `${path}.reinvocationPolicy`, 'undefined');
  yield* validateWebhookClient(webhook.clientConfig ?? {}, `${path}.clientConfig`);
  yield* validateReviewVersions(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`);
  yield* validateMatchConditions(webhook.matchConditions, `${path}.matchConditions`, { hasParams: false });
}

function* validateSideEffects(
  value: string | undefined,
  supported: readonly string[],
  field: string,
): FieldErrors {
  if (!value) yield required(field, `must specify one of ${supported.join(', ')}`);
  // What was stored through the older version remains valid when it is updated through the newer one.
  else yield* oneOf(value, supported, field);
}

function* validateReviewVersions(versions: readonly string[], field: string): FieldErrors {
  if (versions.length === 0) {
    yield required(field, `must specify one of ${reviewVersions.join(', ')}`);
    return;
  }
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    yield* invalidFor(`${field}[${index}]`, version, dns1035LabelProblems(version));
    if (seen.has(version)) yield invalidValue(`${field}[${index}]`, version, 'duplicate version');
    seen.add(version);
  }
  if (!versions.some((version) => reviewVersions.includes(version)))
    yield invalidValue(field, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

/** Also for the rules of admission policies. */
export function* validateRule(rule: RuleWithOperations, field: string): FieldErrors {
  for (const name of ['operations', 'apiGroups', 'apiVersions', 'resources'] as const) {
    const values: readonly string[] = rule[name] ?? [];
    if (values.length === 0) yield required(`${field}.${name}`);
    else if (name !== 'resources' && values.length > 1 && values.includes('*'))
      yield invalidValue(
        `${field}.${name}`,
        values,
        `if '*' is present, must not specify other ${name === 'operations' ? 'operations' : name === 'apiGroups' ? 'API groups' : 'API versions'}`,
      );
  }
  for (const [index, operation] of (rule.operations ?? []).entries())
    yield* oneOf(operation, operations, `${field}.operations[${index}]`);
  for (const [index, version] of (rule.apiVersions ?? []).entries())
    if (version === '') yield required(`${field}.apiVersions[${index}]`);
  yield* validateResources(rule.resources ?? [], `${field}.resources`);
  yield* oneOf(rule.scope, ['*', 'Cluster', 'Namespaced'], `${field}.scope`, 'undefined');
}

/** Each names something that none of the earlier ones names. */
function* validateResources(resources: readonly string[], field: string): FieldErrors {
  let hasAll = false;
  const wholeResources = new Set<string>();
  const everywhere = new Set<string>();
  const hasPlain = resources.length > 1 && resources.some((name) => name !== '*' && !name.includes('/'));
  for (const [index, name] of resources.entries()) {
    const path = `${field}[${index}]`;
    if (name === '') yield required(path);
    if (name === '*/*') hasAll = true;
    const slash = name.indexOf('/');
    if (slash < 0) continue;
    const [resource, subresource] = [name.slice(0, slash), name.slice(slash + 1)];
    if (wholeResources.has(resource))
      yield invalidValue(path, name, `if '${resource}/*' is present, must not specify ${name}`);
    if (everywhere.has(subresource))
      yield invalidValue(path, name, `if '*/${subresource}' is present, must not specify ${name}`);
    if (subresource === '*') wholeResources.add(resource);
    if (resource === '*') everywhere.add(subresource);
  }
  if (resources.length > 1 && hasAll)
    yield invalidValue(field, resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && hasPlain)
    yield invalidValue(
      field,
      resources,
      "if '*' is present, must not specify other resources without subresources",
    );
}
