/** CertificateSigningRequests. */
import { readCertificate } from '../../base/x509/certificate.ts';
import { pemBlocks } from '../../base/x509/pem.ts';
import { ageColumn, column, humanDuration, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { KubeObject } from '../meta.ts';
import { CertificateSigningRequest } from '../resources.gen.ts';
import type { CertificateSigningRequestCondition } from '../types/certificates-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import {
  duplicate,
  type FieldErrors,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../validation/field-error.ts';
import { nameRule, oneOf } from '../validation/fields.ts';
import { pathSegmentProblems } from '../validation/names.ts';
import { validateSignerName } from '../validation/signer-name.ts';
import { signingRequestProblem } from './pkcs10.ts';

const legacySigner = 'kubernetes.io/legacy-unknown';
const expirationSecondsMin = 600;
const keyUsages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

export const certificateSigningRequestKind = defineKind(CertificateSigningRequest, {
  status: 'separate',
  columns: [
    nameColumn,
    ageColumn,
    column('SignerName', ({ spec }) => spec?.signerName || '<none>'),
    column('Requestor', ({ spec }) => spec?.username ?? ''),
    column('RequestedDuration', ({ spec }) =>
      spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    column('Condition', conditionCell),
  ],
  validateName: nameRule(pathSegmentProblems),
  prepareCreate(request) {
    request.status = {};
  },
  prepareUpdate(request, old) {
    request.spec = old.spec;
  },
  prepareStatusUpdate(request, old, now) {
    request.spec = old.spec;
    const given = request.status?.conditions ?? [];
    if (given.length === 0) return;
    // Approval has an endpoint of its own: decisions stay as they are; one more or less is refused below.
    const before = old.status?.conditions ?? [];
    const conditions = withDecision(withDecision(given, before, 'Approved'), before, 'Denied');
    request.status = { ...request.status, conditions: datedConditions(conditions, before, now) };
  },
  *validate(request, { apiVersion }) {
    yield* validateSpec(request, { isBeta: apiVersion?.endsWith('/v1beta1') ?? false });
    yield* validateConditions(request);
  },
  *validateUpdate(request, old, { subresource }) {
    yield* validateIssued(request.status?.certificate, old.status?.certificate);
    for (const type of ['Approved', 'Denied', 'Failed']) {
      const [now, before] = [request, old].map((each) =>
        (each.status?.conditions ?? []).filter((condition) => condition.type === type),
      );
      if (now!.length < before!.length)
        yield forbiddenField('status.conditions', `updates may not remove a condition of type "${type}"`);
      else if (subresource === 'status' && type !== 'Failed' && !semanticEqual(now, before))
        yield forbiddenField('status.conditions', `updates may not add a condition of type "${type}"`);
    }
  },
  selectableFields: ({ spec }) => ({ 'spec.signerName': spec?.signerName ?? '' }),
  versions: [
    {
      version: 'v1beta1',
      defaults: defaultBeta,
      deprecation: {
        since: '1.19',
        removedIn: '1.22',
        replacement: 'certificates.k8s.io/v1 CertificateSigningRequest',
      },
    },
  ],
});

function withDecision(
  list: readonly CertificateSigningRequestCondition[],
  old: readonly CertificateSigningRequestCondition[],
  type: 'Approved' | 'Denied',
): readonly CertificateSigningRequestCondition[] {
  const before = old.filter((condition) => condition.type === type);
  if (list.filter((condition) => condition.type === type).length !== before.length) return list;
  const inTurn = before.values();
  return list.map((condition) => (condition.type === type ? inTurn.next().value! : condition));
}

/** What the client did not date is as of now, or of when the condition came to this state. */
export function datedConditions(
  conditions: readonly CertificateSigningRequestCondition[],
  before: readonly CertificateSigningRequestCondition[],
  now: string,
): CertificateSigningRequestCondition[] {
  const since = (condition: CertificateSigningRequestCondition) =>
    before.find(
      (old) => old.type === condition.type && old.status === condition.status && old.lastTransitionTime,
    )?.lastTransitionTime ?? now;
  return conditions.map((condition) => ({
    ...condition,
    lastUpdateTime: condition.lastUpdateTime ?? now,
    lastTransitionTime: condition.lastTransitionTime ?? since(condition),
  }));
}

function defaultBeta(object: KubeObject): void {
  const spec = (object as CertificateSigningRequest).spec;
  if (!spec) return;
  if (!spec.usages?.length) spec.usages = ['digital signature', 'key encipherment'];
  spec.signerName ||= legacySigner;
}

function* validateSpec(request: CertificateSigningRequest, { isBeta }: { isBeta: boolean }): FieldErrors {
  const spec = request.spec;
  const problem = signingRequestProblem(Buffer.from(spec?.request ?? '', 'base64'));
  if (problem) yield invalidValue('spec.request', spec?.request, problem);
  if (!spec?.usages?.length) yield required('spec.usages');
  const usages = new Set<string>();
  for (const [index, usage] of (spec?.usages ?? []).entries()) {
    if (isBeta) break;
    if (!keyUsages.includes(usage)) yield notSupported(`spec.usages[${index}]`, usage, keyUsages);
    if (usages.has(usage)) yield duplicate(`spec.usages[${index}]`, usage);
    usages.add(usage);
  }
  yield* validateSigner(spec?.signerName ?? '', { isBeta });
  if (spec?.expirationSeconds !== undefined && spec.expirationSeconds < expirationSecondsMin)
    yield invalidValue(
      'spec.expirationSeconds',
      spec.expirationSeconds,
      'may not specify a duration less than 600 seconds (10 minutes)',
    );
}

function* validateConditions({ status }: CertificateSigningRequest): FieldErrors {
  const seen = new Set<string>();
  for (const [index, { type, status: value }] of (status?.conditions ?? []).entries()) {
    const path = `status.conditions[${index}]`;
    if (!type) yield required(`${path}.type`);
    if (type === 'Approved' || type === 'Denied' || type === 'Failed')
      yield* oneOf(value, ['True'], `${path}.status`, 'required');
    else yield* oneOf(value, ['True', 'False', 'Unknown'], `${path}.status`, 'required');
    const other = type === 'Approved' ? 'Denied' : 'Approved';
    if ((type === 'Approved' || type === 'Denied') && seen.has(other))
      yield invalidValue('status.conditions', type, 'Approved and Denied conditions are mutually exclusive');
    if (seen.has(type)) yield duplicate(`${path}.type`, type);
    seen.add(type);
  }
}

function* validateIssued(next = '', before = ''): FieldErrors {
  if (next === before) return;
  const why = next && certificateProblem(next);
  if (why) yield invalidValue('status.certificate', '<certificate data>', why);
  if (before)
    yield forbiddenField('status.certificate', 'updates may not modify existing certificate content');
}

/** One certificate after the other, as PEM in Base64. */
function certificateProblem(encoded: string): string | undefined {
  let isEmpty = true;
  for (const { type, hasHeaders, bytes } of pemBlocks(Buffer.from(encoded, 'base64').toString())) {
    isEmpty = false;
    if (type !== 'CERTIFICATE')
      return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`;
    if (hasHeaders) return 'no PEM block headers are permitted';
    if (!readCertificate(bytes)) return 'x509: malformed certificate';
  }
  return isEmpty ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function* validateSigner(name: string, { isBeta }: { isBeta: boolean }): FieldErrors {
  const field = 'spec.signerName';
  if (!name) {
    yield required(field, 'signerName must be provided');
    return;
  }
  if (!isBeta && name === legacySigner)
    yield invalidValue(field, name, 'the legacy signerName is not allowed via this API version');
  yield* validateSignerName(name, field);
}

function conditionCell({ status }: CertificateSigningRequest): string {
  const has = (type: string) => (status?.conditions ?? []).some((condition) => condition.type === type);
  const words: string[] = [];
  if (has('Denied')) words.push('Denied');
  else if (has('Approved')) words.push('Approved');
  else words.push('Pending');
  if (has('Failed')) words.push('Failed');
  if (status?.certificate) words.push('Issued');
  return words.join(',');
}
