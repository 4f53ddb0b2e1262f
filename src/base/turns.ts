/** Long work in short turns of the event loop, so that others are served in between. */

/** A turn that took so long ends. */
const turnMs = 8;

export interface Turns {
  /** To be awaited from time to time: goes on at once while the turn is young, and in another one when it is not. */
  pause(): Promise<void> | undefined;
}

export function inTurns(now: () => number = () => performance.now()): Turns {
  let beganMs = now();
  return {
    pause() {
      if (now() - beganMs < turnMs) return undefined;
      return new Promise((resolve) =>
        setImmediate(() => {
          beganMs = now();
          resolve();
        }),
      );
    },
  };
}
