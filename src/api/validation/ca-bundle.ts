/** Certificates that a server of webhooks is checked against: PEM in Base64. */
import { readCertificate } from '../../base/x509/certificate.ts';
import { pemBlocks } from '../../base/x509/pem.ts';

/** Why nobody can be checked by the bundle: undefined when it has one certificate at least, whatever else is in it. */
export function caBundleProblem(caBundle: string): string | undefined {
  const blocks = [...pemBlocks(Buffer.from(caBundle, 'base64').toString('latin1'))];
  const certificates = blocks.filter(({ type, hasHeaders }) => type === 'CERTIFICATE' && !hasHeaders);
  if (certificates.some(({ bytes }) => readCertificate(bytes))) return undefined;
  const why =
    certificates.length > 0
      ? 'failed to parse certificate: x509: malformed certificate'
      : blocks.length > 0
        ? 'no valid certificate authority data seen'
        : 'unable to parse bytes as PEM block';
  return `unable to load root certificates: ${why}`;
}
