/** ReplicationControllers: ReplicaSets with a plain map as selector. */
import { ReplicationController } from '../../api/resources.gen.ts';
import { defineReplicaController } from './replicaset.ts';

export const replicationController = defineReplicaController({
  name: 'replicationmanager',
  component: 'replication-controller',
  type: ReplicationController,
  selectorOf: (rc) => (rc.spec?.selector ? { matchLabels: rc.spec.selector } : undefined),
});
