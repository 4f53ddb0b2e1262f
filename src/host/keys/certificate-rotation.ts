/** Replaces certificates well before they expire, while the process that uses them keeps running. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type BackoffOptions, backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';

export interface CertificateRotationOptions {
  /** PEM; read again after every renewal. */
  file: string;
  /** Puts a new certificate and its key in place, and shows them from then on. */
  renew(): Promise<void>;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** Like upstream's: between 70 and 90 % of the lifetime, so that nodes that joined together do not all ask together. */
const rotationFrom = 0.7;
const rotationSpread = 0.2;
const retry: BackoffOptions = { firstMs: 2_000, maxMs: 10 * 60_000 };
/** A machine that slept has its timers late by as long as it slept: time is looked at again and again. */
const lookEveryMs = 3_600_000;

const renewalsApartMs = 60_000;

/** When to renew a certificate that is valid in this span; `draw` is between 0 and 1. */
export function rotationDeadlineMs(validFromMs: number, validToMs: number, draw: number): number {
  return validFromMs + (validToMs - validFromMs) * (rotationFrom + rotationSpread * draw);
}

/** Retries with growing delays until it succeeds or the signal aborts: a node without a certificate is useless. */
export async function renewUntilDone(
  options: Omit<CertificateRotationOptions, 'random'>,
  signal: AbortSignal,
): Promise<void> {
  const { file, renew, clock, logger } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await renew();
      logger.info('a certificate was renewed', { file });
      return;
    } catch (error) {
      logger.warn('a certificate could not be renewed yet', { file, error });
      await pause(clock, backoffDelayMs(retry, attempt), signal);
    }
  }
}

/** Runs until the signal aborts. A renewal that fails is tried again, ever more slowly. */
export async function rotateCertificate(
  options: CertificateRotationOptions,
  signal: AbortSignal,
): Promise<void> {
  const { file, clock, random } = options;
  const sleep = (ms: number) => pause(clock, ms, signal);
  while (!signal.aborted) {
    const { validFrom, validTo } = new X509Certificate(readFileSync(file));
    const deadlineMs = rotationDeadlineMs(Date.parse(validFrom), Date.parse(validTo), random.next());
    for (
      let leftMs = deadlineMs - clock.now();
      leftMs > 0 && !signal.aborted;
      leftMs = deadlineMs - clock.now()
    )
      await sleep(Math.min(leftMs, lookEveryMs));
    await renewUntilDone(options, signal);
    // When the clocks of this machine and of the signer differ widely, the new one may be due at once, too.
    await sleep(renewalsApartMs);
  }
}
