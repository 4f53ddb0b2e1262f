/** Long work in time slices: other work of the event loop runs in between. */

/** The length of a slice. */
const sliceMs = 8;

export interface TimeSlices {
  /** To be awaited from time to time: undefined while the slice lasts; otherwise resolves in a new one. */
  yieldIfDue(): Promise<void> | undefined;
}

export function startTimeSlices(now: () => number = () => performance.now()): TimeSlices {
  let beganMs = now();
  return {
    yieldIfDue() {
      if (now() - beganMs < sliceMs) return undefined;
      return new Promise((resolve) =>
        setImmediate(() => {
          beganMs = now();
          resolve();
        }),
      );
    },
  };
}
