import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { computeHostPortRules } from './host-ports.ts';

const pod = (ports: object[], more: { spec?: object; status?: object } = {}) =>
  ({
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', ports }], ...more.spec },
    status: { podIP: '10.244.0.5', phase: 'Running', ...more.status },
  }) as Pod;

describe('host ports', () => {
  it('lead to the container, at all addresses of the node or at one', () => {
    const rules = computeHostPortRules(
      pod([
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 53, hostPort: 53, hostIP: '10.0.0.1', protocol: 'UDP' },
        { containerPort: 9000 },
      ]),
    );
    assert.deepEqual(rules, [
      { set: 'hostports', key: 'tcp . 8080', value: '10.244.0.5 . 80' },
      { set: 'hostports-at', key: '10.0.0.1 . udp . 53', value: '10.244.0.5 . 53' },
      { set: 'hairpin', key: '10.244.0.5 . 10.244.0.5', value: '' },
    ]);
  });

  const none: [string, Pod | undefined][] = [
    ['no pod', undefined],
    ['a pod without them', pod([{ containerPort: 80 }])],
    [
      'a pod in the network of the node',
      pod([{ containerPort: 80, hostPort: 80 }], { spec: { hostNetwork: true } }),
    ],
    [
      'a pod without an address',
      pod([{ containerPort: 80, hostPort: 80 }], { status: { podIP: undefined } }),
    ],
    [
      'a pod with those of init containers and sidecars alone',
      pod([], {
        spec: {
          initContainers: [
            { name: 'i', ports: [{ containerPort: 80, hostPort: 80 }] },
            { name: 's', restartPolicy: 'Always', ports: [{ containerPort: 81, hostPort: 81 }] },
          ],
        },
      }),
    ],
    ['a pod that has ended', pod([{ containerPort: 80, hostPort: 80 }], { status: { phase: 'Succeeded' } })],
  ];
  for (const [name, subject] of none)
    it(`are nothing for ${name}`, () => assert.deepEqual(computeHostPortRules(subject), []));
});
