/** PriorityLevelConfigurations. */
import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import type { Column } from '../kind.ts';
import type { KubeObject } from '../meta.ts';
import { PriorityLevelConfiguration } from '../resources.gen.ts';
import type { LimitedPriorityLevelConfiguration } from '../types/flowcontrol-v1.gen.ts';
import { inRange, oneOf } from '../validation/fields.ts';
import { validateConditionTypes } from './condition-types.ts';

const sharesDefault = 30;
const queuesMax = 10_000_000;

type Spec = PriorityLevelConfiguration['spec'];

/** The shares have another name in the first betas. */
function columnsWith(
  sharesName: string,
  sharesOf: (spec: Spec) => number | undefined,
): Column<PriorityLevelConfiguration>[] {
  const queuingOf = (spec: Spec) => spec?.limited?.limitResponse?.queuing;
  return [
    nameColumn,
    column('Type', ({ spec }) => spec?.type ?? ''),
    column(sharesName, ({ spec }) => sharesOf(spec) ?? '<none>'),
    column('Queues', ({ spec }) => queuingOf(spec)?.queues ?? '<none>'),
    column('HandSize', ({ spec }) => queuingOf(spec)?.handSize ?? '<none>'),
    column('QueueLengthLimit', ({ spec }) => queuingOf(spec)?.queueLengthLimit ?? '<none>'),
    ageColumn,
  ];
}

const betaColumns = columnsWith(
  'AssuredConcurrencyShares',
  (spec) => (spec?.limited as Limited | undefined)?.assuredConcurrencyShares,
) as readonly Column[];

export const priorityLevelConfigurationKind = defineKind(PriorityLevelConfiguration, {
  status: 'separate',
  hasGeneration: true,
  columns: columnsWith(
    'NominalConcurrencyShares',
    (spec) => (spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares,
  ),
  defaults({ spec }) {
    if (spec?.limited) defaultLimited(spec.limited);
    if (spec?.type === 'Exempt') {
      spec.exempt ??= {};
      spec.exempt.nominalConcurrencyShares ??= 0;
      spec.exempt.lendablePercent ??= 0;
    }
  },
  prepareCreate(level) {
    level.status = {};
  },
  prepareStatusUpdate(level, old) {
    level.spec = old.spec!;
  },
  *validate({ spec, status }, { subresource }) {
    if (subresource === 'status') yield* validateConditionTypes(status?.conditions);
    else if (spec) yield* validateSpec(spec);
  },
  versions: [
    { version: 'v1beta3', deprecation: deprecated('1.29', '1.32') },
    {
      version: 'v1beta2',
      toStored: sharesFromBeta,
      fromStored: sharesToBeta,
      columns: betaColumns,
      deprecation: deprecated('1.26', '1.29'),
    },
    {
      version: 'v1beta1',
      toStored: sharesFromBeta,
      fromStored: sharesToBeta,
      columns: betaColumns,
      deprecation: deprecated('1.23', '1.26'),
    },
  ],
});

function deprecated(since: string, removedIn: string) {
  return { since, removedIn, replacement: 'flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration' };
}

function defaultLimited(limited: LimitedPriorityLevelConfiguration): void {
  limited.nominalConcurrencyShares ??= sharesDefault;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

function* validateSpec(spec: NonNullable<PriorityLevelConfiguration['spec']>): FieldErrors {
  const { type, limited, exempt } = spec;
  yield* oneOf(type, ['Exempt', 'Limited'], 'spec.type');
  if (type === 'Exempt' && limited)
    yield forbiddenField('spec.limited', 'must be nil if the type is not Limited');
  if (type === 'Limited' && exempt) yield forbiddenField('spec.exempt', 'must be nil if the type is Limited');
  if (type !== 'Limited') return;
  if (!limited) {
    yield required('spec.limited', 'must not be empty when type is Limited');
    return;
  }
  if ((limited.nominalConcurrencyShares ?? 0) < 0)
    yield invalidValue(
      'spec.limited.nominalConcurrencyShares',
      limited.nominalConcurrencyShares,
      'must be a non-negative integer',
    );
  if (limited.lendablePercent !== undefined)
    yield* inRange(limited.lendablePercent, 0, 100, 'spec.limited.lendablePercent');
  const response = limited.limitResponse;
  const path = 'spec.limited.limitResponse';
  yield* oneOf(response?.type, ['Queue', 'Reject'], `${path}.type`);
  const queuing = response?.queuing;
  if (response?.type === 'Reject' && queuing)
    yield forbiddenField(`${path}.queuing`, 'must be nil if limited.limitResponse.type is not Limited');
  if (response?.type !== 'Queue') return;
  if (!queuing) {
    yield required(`${path}.queuing`, 'must not be empty if limited.limitResponse.type is Limited');
    return;
  }
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing;
  if (queueLengthLimit <= 0)
    yield invalidValue(`${path}.queuing.queueLengthLimit`, queueLengthLimit, 'must be positive');
  if (queues <= 0) yield invalidValue(`${path}.queuing.queues`, queues, 'must be positive');
  else if (queues > queuesMax)
    yield invalidValue(`${path}.queuing.queues`, queues, `must not be greater than ${queuesMax}`);
  if (handSize <= 0) yield invalidValue(`${path}.queuing.handSize`, handSize, 'must be positive');
  else if (handSize > queues)
    yield invalidValue(`${path}.queuing.handSize`, handSize, `should not be greater than queues (${queues})`);
}

type Limited = LimitedPriorityLevelConfiguration & { assuredConcurrencyShares?: number };

function limitedOf(object: KubeObject): Limited | undefined {
  return (object as PriorityLevelConfiguration).spec?.limited as Limited | undefined;
}

/** The first betas had another name for the shares, and treated 0 as absent. */
function sharesFromBeta(object: KubeObject): KubeObject {
  const limited = limitedOf(object);
  if (limited?.assuredConcurrencyShares) limited.nominalConcurrencyShares = limited.assuredConcurrencyShares;
  if (limited) delete limited.assuredConcurrencyShares;
  return object;
}

function sharesToBeta(object: KubeObject): KubeObject {
  const limited = limitedOf(object);
  if (limited?.nominalConcurrencyShares !== undefined) {
    limited.assuredConcurrencyShares = limited.nominalConcurrencyShares;
    delete limited.nominalConcurrencyShares;
  }
  return object;
}
