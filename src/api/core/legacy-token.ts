/** Tokens of service accounts in Secrets: how their use is noted on the Secret, and since when. Pure. */

export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
/** Set by whoever finds that a token is not used any more; such a token is refused. */
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';

/** In `kube-system`; under {@link trackedSinceKey} it has the day from which uses are noted. */
export const trackingConfigMap = 'kube-apiserver-legacy-service-account-token-tracking';
export const trackedSinceKey = 'since';

export const dayMs = 86_400_000;

/** `2026-12-01`, in UTC. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** The start of a day, in milliseconds; undefined when it is none. */
export function startOfDay(day: string | undefined): number | undefined {
  if (!day || !/^\d{4}-\d\d-\d\d$/.test(day)) return undefined;
  const startMs = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(startMs) || dayOf(startMs) !== day ? undefined : startMs;
}

/** Undefined when today is noted already, or tomorrow, by a server whose clock is ahead. */
export function dayToNote(labels: Readonly<Record<string, string>> = {}, nowMs: number): string | undefined {
  const today = dayOf(nowMs);
  const noted = labels[lastUsedLabel];
  return noted === today || noted === dayOf(nowMs + dayMs) ? undefined : today;
}
