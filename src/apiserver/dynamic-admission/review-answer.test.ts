/** What is said of answers that are none, as an upstream server said it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResponse } from './review-answer.ts';

const v1 = 'admission.k8s.io/v1';
const asked = { apiVersion: v1, uid: 'u', isMutating: true };
const review = (response: unknown, kind = 'AdmissionReview') => ({ kind, apiVersion: v1, response });
const unmarshal = (what: string, field: string, type: string) =>
  `failed to call webhook: json: cannot unmarshal ${what} into Go struct field ${field} of type ${type}`;
const received = 'received invalid webhook response: ';

const rows: [answer: object, message: string][] = [
  [{}, `${received}webhook response was absent`],
  [{ response: { uid: 'x' } }, `${received}expected response.uid="u", got "x"`],
  [
    { response: { uid: 'u' } },
    `${received}expected webhook response of ${v1}, Kind=AdmissionReview, got /, Kind=`,
  ],
  [
    { kind: 'Status', apiVersion: 'v1' },
    'failed to call webhook: converting (v1.Status) to (v1.AdmissionReview): unknown conversion',
  ],
  [review({ uid: 5 }), unmarshal('number', 'AdmissionResponse.response.uid', 'types.UID')],
  [review({ patch: {} }), unmarshal('object', 'AdmissionResponse.response.patch', '[]uint8')],
  [review({ patchType: 1 }), unmarshal('number', 'AdmissionResponse.response.patchType', 'v1.PatchType')],
  [review({ warnings: ['a', 1] }), unmarshal('number', 'AdmissionResponse.response.warnings', 'string')],
  [review({ warnings: 'a' }), unmarshal('string', 'AdmissionResponse.response.warnings', '[]string')],
  [
    review({ auditAnnotations: { a: true } }),
    unmarshal('bool', 'AdmissionResponse.response.auditAnnotations', 'string'),
  ],
  [review({ status: { code: 403.5 } }), unmarshal('number 403.5', 'Status.response.status.code', 'int32')],
  [
    review({ status: { reason: 1 } }),
    unmarshal('number', 'Status.response.status.reason', 'v1.StatusReason'),
  ],
  [
    review({ status: { details: 'a' } }),
    unmarshal('string', 'Status.response.status.details', 'v1.StatusDetails'),
  ],
  [
    review({ status: { details: { causes: {} } } }),
    unmarshal('object', 'StatusDetails.response.status.details.causes', '[]v1.StatusCause'),
  ],
  [review({ uid: 'u', patch: 'YWJj*' }), 'failed to call webhook: illegal base64 data at input byte 4'],
  [review({ uid: 'u', patch: 'YWJjZ' }), 'failed to call webhook: illegal base64 data at input byte 5'],
];

for (const [answer, message] of rows)
  test(`${JSON.stringify(answer)} is no answer`, () => {
    assert.throws(() => readResponse(answer, asked), { message });
  });
