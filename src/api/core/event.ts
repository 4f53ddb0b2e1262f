/** Events, stored in their core form and served as `events.k8s.io` too. */

import { ageColumn, ageSince, column, countColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { ValidationContext } from '../kinds/kind.ts';
import type { KubeObject } from '../meta.ts';
import { Event } from '../resources.gen.ts';
import { asJsonObject } from '../schema/decode.ts';
import type { Event as EventsV1Event } from '../types/events-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import type { InnerTypeText } from '../validation/error-value.ts';
import { type FieldErrors, invalidValue, required } from '../validation/field-error.ts';
import { immutable, invalidFor, nameRule } from '../validation/fields.ts';
import { pathSegmentProblems, qualifiedNameProblems } from '../validation/names.ts';
import { validateSubdomainName } from '../validation/object-meta.ts';

const reasonLengthMax = 128;
const noteLengthMax = 1024;

export const eventKind = defineKind(Event, {
  createsOnUpdate: true,
  columns: [
    column('Last Seen', (event, { nowMs }) => lastSeen(event, nowMs)),
    column('Type', (event) => event.type ?? ''),
    column('Reason', (event) => event.reason ?? ''),
    column('Object', objectCell),
    wideColumn('Subobject', (event) => event.involvedObject?.fieldPath ?? ''),
    wideColumn('Source', sourceCell),
    column('Message', (event) => (event.message ?? '').trim()),
    wideColumn('First Seen', (event, { nowMs }) => firstSeen(event, nowMs)),
    {
      ...countColumn<Event>('Count', (event) => event.series?.count ?? (event.count || 1)),
      type: 'string',
      priority: 1,
    },
    { ...ageColumn, name: 'Name', format: 'name', priority: 1, cell: (event) => event.metadata.name },
  ],
  defaults(event) {
    // Times that are not set are shown as null, not left out.
    const times = asJsonObject(event);
    for (const name of ['eventTime', 'firstTimestamp', 'lastTimestamp'])
      if (times[name] === undefined) times[name] = null;
    event.source ??= {};
    event.reportingComponent ??= '';
    event.reportingInstance ??= '';
  },
  validateName: nameRule(pathSegmentProblems),
  validate: validateEvent,
  validateUpdate: validateEventUpdate,
  selectableFields: (event) => ({
    'involvedObject.kind': event.involvedObject?.kind ?? '',
    'involvedObject.namespace': event.involvedObject?.namespace ?? '',
    'involvedObject.name': event.involvedObject?.name ?? '',
    'involvedObject.uid': event.involvedObject?.uid ?? '',
    'involvedObject.apiVersion': event.involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': event.involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': event.involvedObject?.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    source: event.source?.component || event.reportingComponent || '',
    type: event.type ?? '',
  }),
  versions: ['v1', 'v1beta1'].map((version) => ({
    group: 'events.k8s.io',
    version,
    toStored: fromEventsGroup,
    fromStored: toEventsGroup,
    selectableFields: (object: KubeObject) => regardingFields(object as EventsV1Event),
    ...(version === 'v1beta1' && {
      deprecation: { since: '1.22', removedIn: '1.25', replacement: 'events.k8s.io/v1 Event' },
    }),
  })),
});

/** The same selectors under the other group's names; it has no source. */
function regardingFields(event: EventsV1Event): Record<string, string> {
  const { regarding } = event;
  return {
    'regarding.kind': regarding?.kind ?? '',
    'regarding.namespace': regarding?.namespace ?? '',
    'regarding.name': regarding?.name ?? '',
    'regarding.uid': regarding?.uid ?? '',
    'regarding.apiVersion': regarding?.apiVersion ?? '',
    'regarding.resourceVersion': regarding?.resourceVersion ?? '',
    'regarding.fieldPath': regarding?.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingController: event.reportingController ?? '',
    type: event.type ?? '',
  };
}

function* validateEvent(event: Event, { apiVersion, isUpdate }: ValidationContext): FieldErrors {
  const isNewer = apiVersion === 'events.k8s.io/v1';
  yield* validateAnyEvent(event, apiVersion === 'v1' ? 'reportingComponent' : 'reportingController');
  if (isNewer && !isUpdate) yield* validateNewer(event);
}

/** With the paths of the newer group; upstream says `reason` twice. */
const immutableFields = [
  ['reason', 'reason'],
  ['message', 'message'],
  ['source', 'source'],
  ['firstTimestamp', 'firstTimestamp'],
  ['lastTimestamp', 'lastTimestamp'],
  ['count', 'count'],
  ['reason', 'reason'],
  ['type', 'type'],
  ['eventTime', 'eventTime'],
  ['action', 'action'],
  ['related', 'related'],
  ['reportingComponent', 'reportingController'],
  ['reportingInstance', 'reportingInstance'],
] as const;
const innerTypes: Partial<Record<string, InnerTypeText>> = {
  source: 'core.EventSource',
  related: 'core.ObjectReference',
};

/** Through the newer group only the series of an event changes. */
function* validateEventUpdate(event: Event, old: Event, { apiVersion }: ValidationContext): FieldErrors {
  if (apiVersion !== 'events.k8s.io/v1') return;
  if (!semanticEqual(event.series, old.series)) yield* validateSeries(event);
  const involved = 'core.ObjectReference';
  yield* immutable(event.involvedObject, old.involvedObject, 'involvedObject', involved);
  for (const [name, field] of immutableFields) {
    const inner = innerTypes[name];
    // A text that is not there is empty.
    const value = inner || name === 'count' ? event[name] : (event[name] ?? '');
    const before = inner || name === 'count' ? old[name] : (old[name] ?? '');
    yield* immutable(value, before, field, inner);
  }
}

function* validateSeries({ series }: Event): FieldErrors {
  if (!series) return;
  if (!(series.count && series.count > 1)) yield invalidValue('series.count', '', 'should be at least 2');
  if (!series.lastObservedTime) yield required('series.lastObservedTime');
}

/** Rules of all versions. An event of the newer style has an eventTime. */
function* validateAnyEvent(event: Event, controllerField: string): FieldErrors {
  const namespace = event.metadata.namespace ?? '';
  const involved = event.involvedObject?.namespace ?? '';
  const mismatch = invalidValue('involvedObject.namespace', involved, 'does not match event.namespace');
  if (!event.eventTime) {
    // What has no namespace is reported in the default one.
    if (involved === '' ? namespace !== '' && namespace !== 'default' : involved !== namespace)
      yield mismatch;
    return;
  }
  if (involved === '' && namespace !== 'default' && namespace !== 'kube-system') yield mismatch;
  const { reportingComponent = '', reportingInstance = '', action = '', reason = '' } = event;
  if (!reportingComponent) yield required(controllerField);
  yield* invalidFor(controllerField, reportingComponent, qualifiedNameProblems(reportingComponent));
  if (!reportingInstance) yield required('reportingInstance');
  yield* atMost(reportingInstance, reasonLengthMax, 'reportingInstance');
  if (!action) yield required('action');
  yield* atMost(action, reasonLengthMax, 'action');
  if (!reason) yield required('reason');
  yield* atMost(reason, reasonLengthMax, 'reason');
  yield* atMost(event.message ?? '', noteLengthMax, 'message');
}

/** What the newer group asks of an event that is created. */
function* validateNewer(event: Event): FieldErrors {
  const { name = '' } = event.metadata;
  // Errors common to all versions have already been reported.
  if (name && pathSegmentProblems(name).length === 0) yield* validateSubdomainName(name, 'metadata.name');
  yield* validateSeries(event);
  if (!event.eventTime) yield required('eventTime');
  if (event.type !== 'Normal' && event.type !== 'Warning')
    yield invalidValue('type', '', `has invalid value: ${event.type ?? ''}`);
  const { firstTimestamp, lastTimestamp, count, source } = event;
  const unset = { firstTimestamp, lastTimestamp, count, source: source?.component || source?.host };
  for (const [field, value] of Object.entries(unset))
    if (value) yield invalidValue(field, '', 'needs to be unset');
}

function* atMost(text: string, max: number, field: string): FieldErrors {
  if (text.length > max) yield invalidValue(field, '', `can have at most ${max} characters`);
}

function objectCell({ involvedObject }: Event): string {
  const kind = (involvedObject?.kind ?? '').toLowerCase();
  return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind;
}

function sourceCell(event: Event): string {
  const component = event.source?.component || event.reportingComponent || '';
  const instance = event.source?.host || event.reportingInstance || '';
  return instance ? `${component}, ${instance}` : component;
}

function firstSeen(event: Event, nowMs: number): string {
  return ageSince(event.firstTimestamp || event.eventTime, nowMs);
}

function lastSeen(event: Event, nowMs: number): string {
  if (event.series) return ageSince(event.series.lastObservedTime, nowMs);
  return event.lastTimestamp ? ageSince(event.lastTimestamp, nowMs) : firstSeen(event, nowMs);
}

/** Names of the core form and of the other group's. */
const renamed = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
] as const;

function rename(object: KubeObject, from: 0 | 1): KubeObject {
  const fields = asJsonObject(object);
  for (const pair of renamed) {
    const source = pair[from];
    if (!(source in fields)) continue;
    fields[pair[1 - from]!] = fields[source];
    delete fields[source];
  }
  return object;
}

function toEventsGroup(object: KubeObject): KubeObject {
  const event = rename(object, 0) as EventsV1Event;
  // What the core form always shows, this one leaves out.
  if (event.deprecatedCount === 0) delete event.deprecatedCount;
  if (!event.reportingController) delete event.reportingController;
  if (!event.reportingInstance) delete event.reportingInstance;
  return event;
}

function fromEventsGroup(object: KubeObject): KubeObject {
  return rename(object, 1);
}
