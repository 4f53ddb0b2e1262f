/** The extensions that a request asks for, and the alternative names among them. */
import { goQuote } from '../../../base/text/go-quote.ts';
import {
  checkBoolean,
  contentOf,
  DerError,
  DerReader,
  derKinds,
  readOid,
  sequence,
  setKind,
  shortValue,
} from '../../../base/x509/der.ts';

const extensionRequest = '1.2.840.113549.1.9.14';
const alternativeNames = '2.5.29.17';

/** @throws DerError */
export function checkExtensions(attributes: readonly Uint8Array[]): void {
  const seen = new Map<string, Uint8Array>();
  for (const attribute of attributes) {
    const requested = extensionsIn(attribute);
    if (!requested) continue;
    for (const { content } of new DerReader(new DerReader(requested).value(sequence()).content).rest(
      sequence('Extension'),
    )) {
      const parts = new DerReader(content);
      const oid = readOid(parts.value(derKinds.oid));
      const critical = parts.optional(derKinds.boolean);
      if (critical) checkBoolean(critical);
      const value = parts.value(derKinds.octets).content;
      if (seen.has(oid))
        throw new DerError('x509: certificate request contains duplicate requested extensions');
      seen.set(oid, value);
    }
  }
  const names = seen.get(alternativeNames);
  if (names) checkAlternativeNames(names);
}

/** The first value of an attribute that asks for extensions; an attribute that cannot be read is none. */
function extensionsIn(attribute: Uint8Array): Uint8Array | undefined {
  try {
    const parts = new DerReader(new DerReader(attribute).value(sequence()).content);
    const oid = readOid(parts.value(derKinds.oid));
    const [first] = new DerReader(parts.value(setKind()).content).rest();
    return oid === extensionRequest ? first?.full : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** Names in ASCII, by the byte of their tag. */
const asciiNames = new Map([
  [0x81, 'rfc822Name'],
  [0x82, 'dNSName'],
  [0x86, 'uniformResourceIdentifier'],
]);
const sequenceByte = 0x30;
const uriByte = 0x86;
const addressByte = 0x87;

function checkAlternativeNames(der: Uint8Array): void {
  let rest = contentOf(der, sequenceByte)?.content;
  if (!rest) throw new DerError('x509: invalid subject alternative names');
  while (rest.length > 0) {
    const name = shortValue(rest);
    if (!name) throw new DerError('x509: invalid subject alternative name');
    const ascii = asciiNames.get(name.first);
    if (ascii && name.content.some((byte) => byte >= 0x80))
      throw new DerError(`x509: SAN ${ascii} is malformed`);
    if (name.first === uriByte) checkUri(Buffer.from(name.content).toString('latin1'));
    const { length } = name.content;
    if (name.first === addressByte && length !== 4 && length !== 16)
      throw new DerError(`x509: cannot parse IP address of length ${length}`);
    rest = name.rest;
  }
}

function checkUri(uri: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those have no place in a URI
  if (!/[\u0000-\u001f\u007f]/.test(uri)) return;
  const shown = goQuote(uri);
  throw new DerError(
    `x509: cannot parse URI ${shown}: parse ${shown}: net/url: invalid control character in URL`,
  );
}
