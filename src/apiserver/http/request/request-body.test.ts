import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { BodyBudget } from './body-budget.ts';
import { RequestBody } from './request-body.ts';

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const share = () => new BodyBudget().open('jane');

test('pieces become one body, whatever length was announced', async () => {
  for (const declared of [undefined, 5000]) {
    const source = new PassThrough();
    const body = new RequestBody(source, declared);
    const received = body.receive(10_000, share());
    for (let index = 0; index < 500; index++) source.write('0123456789');
    source.end();
    assert.equal(await received, true);
    const bytes = await body.read(10_000);
    assert.equal(Buffer.from(bytes).toString(), '0123456789'.repeat(500));
    assert.equal(await body.read(10_000), bytes, 'and is there for whoever reads it again');
    assert.equal(await textOf(body.stream()), '0123456789'.repeat(500));
  }
});

test('small pieces do not keep all that came with them', async () => {
  const source = new PassThrough();
  const body = new RequestBody(source, undefined);
  const received = body.receive(10_000, share());
  const record = Buffer.alloc(64 * 1024, 'x');
  source.end(record.subarray(0, 1));
  await received;
  assert.ok((await body.read(10)).buffer.byteLength < 10_000);
});

test('a body that is too long is refused when it is read, and its rest can be passed on in place of that', async () => {
  const source = new PassThrough();
  const body = new RequestBody(source, undefined);
  source.write('01234');
  source.write('56789');
  assert.equal(await body.receive(6, share()), true);
  const passedOn = textOf(body.stream());
  source.end('the rest');
  assert.equal(await passedOn, '0123456789the rest');

  const other = new PassThrough();
  const refused = new RequestBody(other, undefined);
  other.write('0123456789');
  await assert.rejects(refused.read(6), { code: 413, message: 'Request entity too large: limit is 6' });
  other.write(Buffer.alloc(10_000_000));
  other.end();
  // It is read to its end, for the sake of what follows on the connection.
  await new Promise((resolve) => other.once('end', resolve));
});

test('one that is announced as too long is not waited for', async () => {
  const body = new RequestBody(new PassThrough(), 7);
  assert.equal(await body.receive(6, share()), true);
  await assert.rejects(body.read(6), { code: 413 });
});

test('a client that leaves in the midst of it is told apart from one that ends', async () => {
  const source = new PassThrough();
  const body = new RequestBody(source, 100);
  const received = body.receive(100, share());
  source.write('half');
  source.destroy();
  assert.equal(await received, true);
  await assert.rejects(body.read(100), { code: 400 });
});

test('receiving ends with the share that pays for it', async () => {
  const budget = new BodyBudget(100_000);
  const paying = budget.open('jane');
  const source = new PassThrough();
  const body = new RequestBody(source, undefined);
  const received = body.receive(1_000_000, paying);
  for (let index = 0; index < 10; index++) source.write(Buffer.alloc(20_000));
  assert.equal(await received, false);
  assert.equal(budget.bytes, 0);
});
