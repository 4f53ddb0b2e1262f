/** A volume that is bound to a claim is deleted only once the claim is gone. */
import { PersistentVolume } from '../../api/resources.gen.ts';
import { defineProtection } from './protection.ts';

export const pvProtectionController = defineProtection({
  name: 'pvprotection',
  protects: PersistentVolume,
  finalizer: 'kubernetes.io/pv-protection',
  isUsed: ({ status }) => status?.phase === 'Bound',
});
