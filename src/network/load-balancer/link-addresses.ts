/** The load-balancer addresses that this node has on its interface; machines on the link learn of those that it takes. */

import { CommandError } from '../../base/command.ts';
import type { Logger } from '../../base/logger.ts';
import type { RunCommand } from '../command.ts';

export interface LinkAddressesOptions {
  device: string;
  /** Runs `ip` and `busybox`. */
  run: RunCommand;
  logger: Logger;
}

/** An address of the device with this label is one of ours. */
export function addressLabel(device: string): string {
  return `${device.slice(0, 12)}:lb`;
}

export class LinkAddresses {
  readonly #options: LinkAddressesOptions;
  #present: ReadonlySet<string>;

  private constructor(options: LinkAddressesOptions, present: ReadonlySet<string>) {
    this.#options = options;
    this.#present = present;
  }

  /** With the addresses that an earlier run left on the interface. */
  static async read(options: LinkAddressesOptions): Promise<LinkAddresses> {
    return new LinkAddresses(options, new Set(await listAddresses(options)));
  }

  /** Makes `wanted` the addresses of the interface. */
  async set(wanted: readonly string[]): Promise<void> {
    const { device, run } = this.#options;
    const next = new Set(wanted);
    const removed = [...this.#present].filter((address) => !next.has(address));
    const added = wanted.filter((address) => !this.#present.has(address));
    if (removed.length + added.length === 0) return;
    const label = addressLabel(device);
    const lines = [
      ...removed.map((address) => `address del ${address}/32 dev ${device}\n`),
      ...added.map((address) => `address replace ${address}/32 dev ${device} label ${label} noprefixroute\n`),
    ];
    try {
      await run('ip', ['-batch', '-'], lines.join(''));
    } catch (error) {
      // Part of it may be done, or somebody else has changed the addresses: the next call starts from what is there.
      this.#present = new Set(await listAddresses(this.#options));
      throw error;
    }
    this.#present = next;
    for (const address of added) await this.#announce(address);
  }

  /** Machines that still know the address at another node learn that it has moved. */
  async #announce(address: string): Promise<void> {
    const { device, run, logger } = this.#options;
    try {
      await run('busybox', ['arping', '-q', '-U', '-c', '1', '-w', '1', '-I', device, address]);
    } catch (error) {
      // Unsolicited requests have no answer, which arping counts as a failure.
      if (error instanceof CommandError && !error.isMissingProgram) return;
      logger.warn('a load-balancer address could not be announced to the link', { address, error });
    }
  }
}

async function listAddresses({ device, run }: LinkAddressesOptions): Promise<string[]> {
  interface Listed {
    addr_info: { local: string }[];
  }
  const listing = await run('ip', ['-j', '-4', 'address', 'show', 'label', addressLabel(device)]);
  return (JSON.parse(listing || '[]') as Partial<Listed>[]).flatMap(({ addr_info = [] }) =>
    addr_info.map(({ local }) => local).filter(Boolean),
  );
}
