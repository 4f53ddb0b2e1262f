import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LinkBase, rewriteHtml, rewriteLocation } from './rewrite.ts';

const prefix = '/api/v1/namespaces/a/pods/b/proxy';
const base: LinkBase = { prefix, hosts: { backend: '10.0.0.9:80', client: 'api:6443' } };
const rewritten = (html: string) => rewriteHtml(html, base);

test('links of a page lead through the proxy again, and nothing else changes', () => {
  const rows: [page: string, expected: string][] = [
    ['<a href="/x">', `<a href="${prefix}/x">`],
    ["<A class=c HREF = '/x' id=i>", `<A class=c HREF = "${prefix}/x" id=i>`],
    ['<a href=http://10.0.0.9:80/x>', `<a href="${prefix}/x">`],
    ['<a href="https://api:6443/x/">', `<a href="https://api:6443${prefix}/x/">`],
    ['<a data-href="/x" title="href=/y">', '<a data-href="/x" title="href=/y">'],
    ['<a href="x">', '<a href="x">'],
    ['<b href="/x">', '<b href="/x">'],
    ['<a title="a>b" href="/x">', `<a title="a>b" href="${prefix}/x">`],
    ["<a title=it's href='/x'>", `<a title=it's href="${prefix}/x">`],
    ['<a href="/x?a=1&amp;b=2#c">', `<a href="${prefix}/x?a=1&amp;b=2#c">`],
    ['<a href="/x&quot;y">', `<a href="${prefix}/x%22y">`],
    ['<img src="/x"/><a href="/y">', `<img src="${prefix}/x"/><a href="${prefix}/y">`],
    [`<a href="${prefix}/x">`, `<a href="${prefix}/x">`],
    ['<!-- <a href="/x"> --><a href="/y">', `<!-- <a href="/x"> --><a href="${prefix}/y">`],
    ['<!-- <a href="/x">', '<!-- <a href="/x">'],
    [
      '<script src="/s">f(\'<a href="/x">\')</SCRIPT><a href="/y">',
      `<script src="${prefix}/s">f('<a href="/x">')</SCRIPT><a href="${prefix}/y">`,
    ],
    ['<title><a href="/x">', '<title><a href="/x">'],
    ['<a href="/x', '<a href="/x'],
    ['a < b <a href="/x">', `a < b <a href="${prefix}/x">`],
    ['<a href="/a\nb">', '<a href="/a\nb">'],
  ];
  for (const [page, expected] of rows) assert.equal(rewritten(page), expected);
});

test('a redirect within the target leads through the proxy, as upstream writes it', () => {
  const rows: [location: string, expected: string][] = [
    ['/x', `${prefix}/x`],
    ['/x/?a=b#c', `${prefix}/x/?a=b#c`],
    ['x', 'x'],
    ['//elsewhere/x', '//elsewhere/x'],
    ['http://elsewhere/x', 'http://elsewhere/x'],
    ['http://10.0.0.9:80/x', `${prefix}/x`],
    ['http://api:6443/x', `http://api:6443${prefix}/x`],
    ['http://api:6443', 'http://api:6443'],
    ['/a b', `${prefix}/a%20b`],
    ['/../../x', '/api/v1/namespaces/a/pods/x'],
    ['', ''],
  ];
  for (const [location, expected] of rows) assert.equal(rewriteLocation(location, base), expected, location);
  assert.throws(() => rewriteLocation('%zz', base), {
    code: 500,
    message: /^Internal error occurred: error trying to parse Location header: parse "%zz": /,
  });
});

test('a page takes time in proportion to its length, whatever it is made of', () => {
  const pieces = ['x', '<!--', '<a ', '<a "', "<a '", '<a href="', '=', '= ', '<title>', '</title', ' ', '/'];
  for (const start of ['', '<a '])
    for (const piece of pieces) {
      const page = start + piece.repeat(1_000_000 / piece.length);
      const { user: before } = process.cpuUsage();
      assert.ok(rewritten(page) === page, `${start}${piece}`);
      assert.ok(process.cpuUsage().user - before < 3_000_000, `${start}${piece}`);
    }
});
