import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import {
  encodePassedOn,
  encodeQuery,
  encodeResponse,
  parseAnswer,
  parseQuery,
  type Query,
  ResponseCode,
} from './message.ts';
import { RecordType, type ResourceRecord } from './resource-record.ts';

const question: Query = {
  id: 7,
  opcode: 0,
  recursionDesired: true,
  checkingDisabled: false,
  name: 'Web.default.svc.cluster.local',
  type: RecordType.A,
  class: 1,
  edns: { udpSizeBytes: 1232, version: 0, dnssecOk: false },
};
const records: ResourceRecord[] = [
  { name: 'web.default.svc.cluster.local', type: RecordType.CNAME, ttlSeconds: 30, target: 'a.example.org' },
  { name: 'a.example.org', type: RecordType.A, ttlSeconds: 20, address: '10.0.0.1' },
  { name: 'a.example.org', type: RecordType.AAAA, ttlSeconds: 10, address: 'fd00::1' },
];

describe('DNS messages', () => {
  it('come back as they were written', () => {
    assert.deepEqual(parseQuery(encodeQuery(7, question.name, RecordType.A, 1232)), question);
    const answer = parseAnswer(
      encodeResponse(question, { code: ResponseCode.noError, authoritative: true, answers: records }),
    )!;
    assert.deepEqual(
      answer.records.map((record) =>
        'address' in record ? record.address : 'target' in record ? record.target : '',
      ),
      ['a.example.org', '10.0.0.1', 'fd00:0:0:0:0:0:0:1'],
    );
    assert.equal(answer.ttlSeconds, 10);
  });

  it('of another server are passed on under the number and spelling that were asked, and without OPT if that was', () => {
    const upstream = encodeResponse(
      { ...question, name: 'a.example.org' },
      { code: ResponseCode.noError, authoritative: false, answers: records.slice(1) },
    );
    const asked: Query = { ...question, id: 9, name: 'A.eXample.org', edns: undefined };
    const passedOn = encodePassedOn(asked, upstream);
    assert.equal(passedOn.readUInt16BE(0), 9);
    assert.ok(passedOn.includes('\x01A\x07eXample\x03org\x00', 'latin1'));
    assert.equal(passedOn.readUInt16BE(10), 0);
    assert.equal(passedOn.length, upstream.length - 11);
    assert.deepEqual(
      parseAnswer(passedOn)!.records.map(({ type }) => type),
      [RecordType.A, RecordType.AAAA],
    );
    assert.equal(encodePassedOn({ ...asked, edns: question.edns }, upstream).length, upstream.length);
  });

  it('are cut between records, never within one', () => {
    const many = Array.from(
      { length: 50 },
      (_, index) => ({ ...records[1]!, address: `10.0.0.${index}` }) as ResourceRecord,
    );
    for (let size = 100; size < 512; size += 7) {
      const bytes = encodeResponse(question, { code: 0, authoritative: true, answers: many }, size);
      assert.ok(bytes.length <= size);
      const answer = parseAnswer(bytes)!;
      assert.ok(answer.isTruncated && answer.records.length < many.length);
    }
  });

  it('that lead a name in circles are refused', () => {
    const loop = Buffer.concat([
      encodeQuery(1, 'a', 1, 512).subarray(0, 12),
      Buffer.from([0xc0, 12, 0, 1, 0, 1]),
    ]);
    assert.deepEqual(parseQuery(loop), { malformed: true, id: 1 });
  });

  it('of random bytes are read without harm', () => {
    const random = seededRandom(42);
    const byte = () => Math.floor(random.next() * 256);
    const samples = [
      encodeQuery(7, question.name, RecordType.A, 1232),
      encodeResponse(question, { code: 0, authoritative: true, answers: records }),
    ];
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(samples[round % 2]!);
      for (let changes = 1 + (round % 6); changes > 0; changes--)
        bytes[Math.floor(random.next() * bytes.length)] = byte();
      const cut = round % 3 === 0 ? bytes.subarray(0, Math.floor(random.next() * bytes.length)) : bytes;
      const query = parseQuery(cut);
      parseAnswer(cut);
      encodePassedOn({ ...question, edns: undefined }, cut.length < 12 ? samples[1]! : cut);
      if (query && !('malformed' in query))
        encodeResponse(query, { code: 0, authoritative: true, answers: records }, 512);
    }
  });
});
