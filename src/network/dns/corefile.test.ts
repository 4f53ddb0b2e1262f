import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCorefile } from './corefile.ts';
import { defaultCorefile } from './dns-objects.ts';

describe('a Corefile', () => {
  it('of kubeadm is understood whole', () => {
    assert.deepEqual(parseCorefile(defaultCorefile('cluster.local')), [
      {
        zones: [''],
        kubernetes: {
          zones: ['cluster.local', 'in-addr.arpa', 'ip6.arpa'],
          pods: 'insecure',
          ttlSeconds: 30,
          fallthrough: true,
        },
        forwards: [{ from: '', to: [] }],
        hosts: new Map(),
        rewrites: [],
        cacheSeconds: 30,
      },
    ]);
  });

  it('may have blocks for several zones, hosts and rewrites, with comments', () => {
    const blocks = parseCorefile(
      `
      # a stub domain
      acme.local:53 other.local { forward . 10.0.0.1 dns://10.0.0.2:5353 fd00::a [fd00::b]:5353
      }
      . {
        hosts { # fixed
           no-address x.example.org
          192.0.2.1 a.example.org b.example.org
          fallthrough
        }
        rewrite name suffix .old.org. .new.org.
        rewrite stop name exact a.org b.org
      }`.replace('{ forward', '{\nforward'),
    );
    assert.deepEqual(blocks[0]!.zones, ['acme.local', 'other.local']);
    const to = ['10.0.0.1', '10.0.0.2:5353', 'fd00::a', '[fd00::b]:5353'];
    assert.deepEqual(blocks[0]!.forwards, [{ from: '', to }]);
    assert.deepEqual(
      [...blocks[1]!.hosts],
      [
        ['a.example.org', ['192.0.2.1']],
        ['b.example.org', ['192.0.2.1']],
      ],
    );
    assert.deepEqual(blocks[1]!.rewrites, [
      { kind: 'suffix', from: '.old.org', to: '.new.org' },
      { kind: 'exact', from: 'a.org', to: 'b.org' },
    ]);
  });

  const wrong: [string, string, RegExp][] = [
    ['an unknown plugin', '. {\n magic\n}', /plugin magic is not supported/],
    ['a forward without servers', '. {\n forward .\n}', /forward wants a zone and servers/],
    [
      'a forward to a name',
      '. {\n forward . dns.example.org\n}',
      /not an IP address or file: "dns.example.org"/,
    ],
    [
      'a forward over TLS',
      '. {\n forward . tls://9.9.9.9\n}',
      /not an IP address or file: "tls:\/\/9.9.9.9"/,
    ],
    [
      'a forward to no port',
      '. {\n forward . 9.9.9.9:65536\n}',
      /not an IP address or file: "9.9.9.9:65536"/,
    ],
    ['a plugin that is never closed', '. {\n kubernetes {\n ttl 5\n', /a block is not closed/],
    ['a server block that is never closed', '. {\n errors\n', /a block is not closed/],
    ['a time to live out of range', '. {\n kubernetes {\n ttl 9000\n }\n}', /ttl must be in range/],
    ['a line outside of a block', 'forward . 10.0.0.1\n', /has no body/],
    ['a rewrite that is no regular expression', '. {\n rewrite name regex ( b\n}', /rewrite name regex/],
  ];
  for (const [name, text, message] of wrong)
    it(`with ${name} is refused`, () => assert.throws(() => parseCorefile(text), message));
});
