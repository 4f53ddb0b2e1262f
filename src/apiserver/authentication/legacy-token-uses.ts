/** Notes on Secrets when the tokens in them were last used. */
import { dayToNote } from '../../api/core/legacy-token.ts';
import type { Secret } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';

export interface LegacyTokenUsesOptions {
  clock: Pick<Clock, 'now'>;
  logger: Logger;
  /** Sets the label on the Secret; fails when that is another by now. */
  write(secret: Secret, day: string): Promise<unknown>;
}

export class LegacyTokenUses {
  readonly #options: LegacyTokenUsesOptions;
  /** Secrets that are being written, by uid: a busy client uses its token a thousand times meanwhile. */
  readonly #writing = new Set<string>();

  constructor(options: LegacyTokenUsesOptions) {
    this.#options = options;
  }

  /** The request does not wait for it. */
  note(secret: Secret): void {
    const { clock, logger, write } = this.#options;
    const { uid, name, namespace, labels } = secret.metadata;
    const day = dayToNote(labels, clock.now());
    if (!day || this.#writing.has(uid)) return;
    this.#writing.add(uid);
    write(secret, day)
      .catch((error: unknown) =>
        logger.warn('it could not be noted that the token of a secret was used', { namespace, name, error }),
      )
      .finally(() => this.#writing.delete(uid));
  }
}
