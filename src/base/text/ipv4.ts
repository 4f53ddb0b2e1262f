/** IPv4 addresses as numbers: addresses that follow each other are consecutive numbers. */

/** Undefined when the text is not an address; an octet with a leading zero is none. */
export function parseIPv4(text: string): number | undefined {
  const octets = text.split('.');
  const isAddress = octets.length === 4 && octets.every((octet) => isNumeral(octet) && Number(octet) <= 255);
  return isAddress ? ipv4ToNumber(text) : undefined;
}

function isNumeral(text: string): boolean {
  return /^(0|[1-9]\d{0,2})$/.test(text);
}

/** Of a text that is known to be an address. */
export function ipv4ToNumber(address: string): number {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);
}

export function ipv4FromNumber(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}
