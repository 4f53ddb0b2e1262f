/** What a webhook answers, held against what was asked. */
import type { AdmissionResponse } from './review.ts';
import { WebhookCallError } from './webhook-client.ts';

interface Asked {
  apiVersion: string;
  uid: string;
  isMutating: boolean;
}

interface Review {
  kind?: string;
  apiVersion?: string;
  response?: AdmissionResponse;
}

const reviewVersions = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

/** @throws WebhookCallError when it is no answer to the question */
export function readResponse(answer: unknown, asked: Asked): AdmissionResponse {
  const review = answer as Review;
  checkKind(review, asked);
  const { response } = review;
  const invalid = (why: string) => new WebhookCallError(`received invalid webhook response: ${why}`);
  if (!response) throw invalid('webhook response was absent');
  if (response.uid !== asked.uid)
    throw invalid(
      `expected response.uid=${JSON.stringify(asked.uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    );
  const [hasPatch, hasType] = [!!response.patch, !!response.patchType];
  if (!asked.isMutating && hasPatch) throw invalid('validating webhook may not return response.patch');
  if (!asked.isMutating && hasType) throw invalid('validating webhook may not return response.patchType');
  // The older version's answers need not name their type.
  if (asked.apiVersion !== reviewVersions[0])
    return hasPatch ? { ...response, patchType: 'JSONPatch' } : response;
  if (hasPatch && !hasType) throw invalid('webhook returned response.patch but not response.patchType');
  if (hasType && !hasPatch) throw invalid('webhook returned response.patchType but not response.patch');
  return response;
}

function checkKind({ kind, apiVersion }: Review, asked: Asked): void {
  // An answer in the older version that says nothing of itself is taken for one.
  if (!kind && !apiVersion) {
    if (asked.apiVersion !== reviewVersions[0]) return;
    throw new WebhookCallError(
      `received invalid webhook response: expected webhook response of ${asked.apiVersion}, Kind=AdmissionReview, got /, Kind=`,
    );
  }
  if (kind !== 'AdmissionReview' || !reviewVersions.includes(apiVersion ?? ''))
    throw new WebhookCallError(
      `failed to call webhook: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')} in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"`,
    );
  if (apiVersion === asked.apiVersion) return;
  const type = (version: string) => `${version.split('/').at(-1)}.AdmissionReview`;
  throw new WebhookCallError(
    `failed to call webhook: converting (${type(apiVersion!)}) to (${type(asked.apiVersion)}): unknown conversion`,
  );
}
