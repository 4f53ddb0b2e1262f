import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tunnelProblem } from './node-connector.ts';

test("an agent's answer to CONNECT has whether it connected, and why not", () => {
  const rows: [head: string, problem: string | undefined][] = [
    ['HTTP/1.1 200 Connection established', undefined],
    [
      'HTTP/1.1 502 Bad Gateway\r\nDial-Error: connect: connection refused\r\nContent-Length: 0',
      'connect: connection refused',
    ],
    ['HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain', 'the node answered 403'],
    ['SSH-2.0', 'the node answered no HTTP'],
  ];
  for (const [head, problem] of rows) assert.equal(tunnelProblem(head), problem, head);
});
