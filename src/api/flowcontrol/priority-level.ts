/** PriorityLevelConfigurations. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { Column } from '../kinds/kind.ts';
import type { KubeObject } from '../meta.ts';
import { PriorityLevelConfiguration } from '../resources.gen.ts';
import { equalJson } from '../schema/json-value.ts';
import type {
  ExemptPriorityLevelConfiguration,
  LimitedPriorityLevelConfiguration,
  LimitResponse,
} from '../types/flowcontrol-v1.gen.ts';
import { innerForm } from '../validation/error-value.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { inRange, oneOf } from '../validation/fields.ts';
import { validateConditionTypes } from './condition-types.ts';
import { mandatoryLevels } from './mandatory.ts';

const sharesDefault = 30;
const queuesMax = 10_000_000;
const exemptName = 'exempt';
/** By which v1beta3 tells a zero from what is absent. */
const keptZeroAnnotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

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
  *validate({ metadata, spec, status }, { subresource, apiVersion = '' }) {
    if (subresource === 'status') {
      yield* validateConditionTypes(status?.conditions);
      return;
    }
    if (metadata.annotations?.[keptZeroAnnotation] !== undefined)
      yield forbiddenField('metadata.annotations', `annotation '${keptZeroAnnotation}' is forbidden`);
    const isFirstBeta = /\/v1beta[12]$/.test(apiVersion);
    const sharesField = isFirstBeta ? 'assuredConcurrencyShares' : 'nominalConcurrencyShares';
    if (spec) yield* validateSpec(spec, { name: metadata.name, sharesField });
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

function* validateSpec(spec: NonNullable<Spec>, { name, sharesField }: SpecContext): FieldErrors {
  const { type, limited, exempt } = spec;
  if ((name === exemptName) !== (type === 'Exempt'))
    yield invalidValue('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'");
  yield* oneOf(type, ['Exempt', 'Limited'], 'spec.type');
  if (type === 'Exempt') {
    if (limited) yield forbiddenField('spec.limited', 'must be nil if the type is not Limited');
    if (exempt) yield* validateExempt(exempt);
  }
  if (type === 'Limited') {
    if (exempt) yield forbiddenField('spec.exempt', 'must be nil if the type is Limited');
    if (limited) yield* validateLimited(limited, sharesField);
    else yield required('spec.limited', 'must not be empty when type is Limited');
  }
  yield* validateMandatory(spec, name);
}

interface SpecContext {
  name: string;
  /** What the version of the request calls the shares. */
  sharesField: string;
}

/** What the exempt level lends to others is an administrator's to say. */
function* validateMandatory(spec: NonNullable<Spec>, name: string): FieldErrors {
  const fixed = mandatoryLevels.get(name);
  if (!fixed) return;
  const isExempt = name === exemptName;
  if (equalJson(isExempt ? { ...spec, exempt: fixed.exempt } : spec, fixed)) return;
  const but = isExempt ? " except the 'spec.exempt' field" : '';
  yield invalidValue(
    'spec',
    innerForm('flowcontrol.PriorityLevelConfigurationSpec', spec),
    `spec of '${name}'${but} must equal the fixed value`,
  );
}

function* validateExempt(exempt: ExemptPriorityLevelConfiguration): FieldErrors {
  const { nominalConcurrencyShares, lendablePercent } = exempt;
  yield* validateShares(nominalConcurrencyShares, 'spec.exempt.nominalConcurrencyShares');
  if (lendablePercent !== undefined) yield* inRange(lendablePercent, 0, 100, 'spec.exempt.lendablePercent');
}

function* validateShares(shares: number | undefined, field: string): FieldErrors {
  if (shares !== undefined && shares < 0) yield invalidValue(field, shares, 'must be a non-negative integer');
}

function* validateLimited(limited: LimitedPriorityLevelConfiguration, sharesField: string): FieldErrors {
  const { nominalConcurrencyShares, limitResponse, lendablePercent, borrowingLimitPercent } = limited;
  yield* validateShares(nominalConcurrencyShares, `spec.limited.${sharesField}`);
  yield* validateResponse(limitResponse);
  if (lendablePercent !== undefined) yield* inRange(lendablePercent, 0, 100, 'spec.limited.lendablePercent');
  if (borrowingLimitPercent !== undefined && borrowingLimitPercent < 0)
    yield invalidValue(
      'spec.limited.borrowingLimitPercent',
      borrowingLimitPercent,
      'if specified, must be a non-negative integer',
    );
}

function* validateResponse(response: LimitResponse | undefined): FieldErrors {
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
  const hand = handProblem(handSize, queues);
  if (hand) yield invalidValue(`${path}.queuing.handSize`, handSize, hand);
}

/** Dealing a hand takes this many bits of a flow's hash at most, or hands would not be even. */
const entropyBitsMax = 60;

function handProblem(handSize: number, queues: number): string | undefined {
  if (handSize <= 0) return 'must be positive';
  if (handSize > queues) return `should not be greater than queues (${queues})`;
  const bits = Math.ceil(Math.log2(queues) * handSize);
  if (bits <= entropyBitsMax) return undefined;
  return `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${entropyBitsMax}`;
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
