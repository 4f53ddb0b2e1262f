/**
 * The load-balancer addresses that this node has on its interface; machines on the link are notified of those that it
 * takes.
 */

import type { Logger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import type { RunCommand } from '../command.ts';

export interface LinkAddressesOptions {
  device: string;
  /** Runs `ip` and `busybox`. */
  run: RunCommand;
  logger: Logger;
}

/** An address of the device with this label is ours. */
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

  /** Including the addresses that an earlier run left on the interface. */
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
      // Part of it may be done, or the addresses may have been changed from outside: the next call starts from what
      // exists.
      this.#present = new Set(await listAddresses(this.#options));
      throw error;
    }
    this.#present = next;
    for (const address of added) await this.#announce(address);
  }

  /** Machines that still associate the address with another node learn that it has moved. */
  async #announce(address: string): Promise<void> {
    const { device, run, logger } = this.#options;
    try {
      await run('busybox', ['arping', '-q', '-U', '-c', '1', '-w', '1', '-I', device, address]);
    } catch (error) {
      // Unsolicited requests get no answer, which arping counts as a failure.
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
