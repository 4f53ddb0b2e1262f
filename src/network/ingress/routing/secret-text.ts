/** Values of secrets that are text. */

export function decodeText(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
