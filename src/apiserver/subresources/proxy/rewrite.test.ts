import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteHtml } from './rewrite.ts';

const rewritten = (html: string) => rewriteHtml(html, '/api/v1/namespaces/a/pods/b/proxy', '10.0.0.9:80');

test('links of a page lead through the proxy again, and nothing else changes', () => {
  const rows: [page: string, expected: string][] = [
    ['<a href="/x">', '<a href="/api/v1/namespaces/a/pods/b/proxy/x">'],
    ["<A class=c HREF = '/x' id=i>", '<A class=c HREF = "/api/v1/namespaces/a/pods/b/proxy/x" id=i>'],
    ['<a href=http://10.0.0.9:80/x>', '<a href="/api/v1/namespaces/a/pods/b/proxy/x">'],
    ['<a data-href="/x" title="href=/y">', '<a data-href="/x" title="href=/y">'],
    ['<a href="x">', '<a href="x">'],
    ['<b href="/x">', '<b href="/x">'],
  ];
  for (const [page, expected] of rows) assert.equal(rewritten(page), expected);
});

test('a page of one endless attribute takes no more time than another one', () => {
  const page = `<a ${'x'.repeat(1_000_000)}>`;
  const { user: before } = process.cpuUsage();
  assert.equal(rewritten(page), page);
  assert.ok(process.cpuUsage().user - before < 3_000_000);
});
