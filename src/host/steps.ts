/** How long-running commands tell what they do; the command line shows it. */

export interface Steps {
  /** Does `work`, shown as `title` while it runs and with its time when it is done. Steps may run side by side. */
  run<Result>(title: string, work: () => Promise<Result>): Promise<Result>;
}
