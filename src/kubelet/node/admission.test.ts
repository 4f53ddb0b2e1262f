import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { testPod } from '../pod.fixture.ts';
import { refuseResources } from './admission.ts';

const gpu = 'example.com/gpu';
const ofClass = 'deviceclass.resource.kubernetes.io/gpu';

function wanting(requests: Record<string, string>, fromDevices: readonly string[]): Pod {
  const requestMappings = fromDevices.map((resourceName) => ({
    containerName: 'c',
    resourceName,
    requestName: 'container-0-request-0',
  }));
  const status = {
    ...(fromDevices.length > 0 && {
      extendedResourceClaimStatus: { resourceClaimName: 'claim', requestMappings },
    }),
  };
  return testPod({ containers: [{ name: 'c', image: 'i', resources: { requests } }] }, status);
}

const refusal = (pod: Pod, allocatable: Record<string, string>, others: Pod[] = []) =>
  refuseResources(pod, { allocatable: { cpu: '2', pods: '10', ...allocatable }, others })?.reason;

test('resources that claimed devices provide are not asked of the node, whatever its plugins offer', () => {
  assert.equal(refusal(wanting({ [gpu]: '1' }, [gpu]), {}), undefined);
  assert.equal(refusal(wanting({ [gpu]: '1' }, [gpu]), { [gpu]: '0' }), undefined);
  assert.equal(refusal(wanting({ [ofClass]: '1' }, [ofClass]), {}), undefined);
  assert.equal(refusal(wanting({ [ofClass]: '1' }, []), {}), `OutOf${ofClass}`);
  assert.equal(refusal(wanting({ [gpu]: '1' }, []), { [gpu]: '0' }), `OutOf${gpu}`);
  assert.equal(refusal(wanting({ cpu: '3', [gpu]: '1' }, [gpu]), {}), 'OutOfcpu');
});

test('devices that others claimed take nothing of what plugins offer', () => {
  const plugins = { [gpu]: '1' };
  assert.equal(refusal(wanting({ [gpu]: '1' }, []), plugins, [wanting({ [gpu]: '1' }, [gpu])]), undefined);
  assert.equal(refusal(wanting({ [gpu]: '1' }, []), plugins, [wanting({ [gpu]: '1' }, [])]), `OutOf${gpu}`);
});
