/** The pod addresses of a simulated node. */
import { ipv4FromNumber, ipv4ToNumber } from '../../../base/text/ipv4.ts';

export class AddressRange {
  cidr: string;
  #given = 1;

  constructor(cidr: string) {
    this.cidr = cidr;
  }

  /** In sequence, starting over at the end; as on a real node, the first address is the bridge's. */
  next(): string {
    const [base = '', bits] = this.cidr.split('/');
    const size = 2 ** (32 - Number(bits));
    this.#given = (this.#given % (size - 2)) + 1;
    return ipv4FromNumber(ipv4ToNumber(base) + this.#given);
  }
}
