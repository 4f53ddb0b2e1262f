/** Admission that the cluster's users configure: webhooks and policies, after the built-in plugins. */
import type { AdmissionChain } from '../admission/admission.ts';
import { mutatingPolicyPlugin } from './mutating-policies.ts';
import { validatingPolicyPlugin } from './validating-policies.ts';
import { type WebhookOptions, webhookPlugins } from './webhooks.ts';

export function addDynamicPlugins(chain: AdmissionChain, options: WebhookOptions): void {
  const [mutating, validating] = webhookPlugins(options);
  chain.add(mutatingPolicyPlugin(options));
  chain.add(mutating!);
  chain.add(validatingPolicyPlugin(options));
  chain.add(validating!);
}
