/** How long-running commands report their steps, which the command line shows. */

export interface Steps {
  /** Does `work`, shown as `title` while it runs and with its time when it is done. Steps may run side by side. */
  run<Result>(title: string, work: () => Promise<Result>): Promise<Result>;
}
