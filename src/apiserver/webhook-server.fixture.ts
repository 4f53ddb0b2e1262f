/** An HTTPS server in place of a webhook, with a separate authority. */
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority, issueCertificate } from '../base/x509/pki.ts';

export interface WebhookServer {
  /** `https://127.0.0.1:port` */
  origin: string;
  /** As a client configuration has it. */
  caBundle: string;
  close(): void;
}

/** `respond` returns the answer to a review; undefined: status 500. `path`: with its query. */
export async function startWebhookServer<Review>(
  respond: (
    review: Review,
    headers: IncomingHttpHeaders,
    path: string,
  ) => object | undefined | Promise<object | undefined>,
): Promise<WebhookServer> {
  const authority = await createAuthority('webhook-ca');
  const { cert, key } = await issueCertificate(authority, {
    commonName: 'hook',
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const server = createServer({ cert, key }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
    const answer = await respond(review, request.headers, request.url ?? '');
    if (answer) response.end(JSON.stringify(answer));
    else response.writeHead(500).end('broken');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caBundle: Buffer.from(authority.cert).toString('base64'),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
