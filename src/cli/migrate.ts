/** `wherry migrate`: everything that one store holds, carried into another. */
import { systemClock } from '../base/clock.ts';
import { Failure } from '../host/failure.ts';
import { migrateStore } from '../storage/migrate.ts';
import type { Store } from '../storage/store.ts';
import { type Command, UsageError } from './context.ts';
import { parseOptions } from './options.ts';

export const migrate: Command = {
  summary: 'carry the objects of one store into another, empty one',
  usage: '--from STORE --to STORE',
  details: [
    'STORE  sqlite:FILE, or etcd:URL[,URL…]',
    'No server may write to the first store meanwhile: wherry down first. Secrets stay encrypted as they are;',
    'the server on the new store needs the same encryption-keys.json. Revisions start anew.',
  ],
  async run(context, args) {
    const { values } = parseOptions(args, { from: { type: 'string' }, to: { type: 'string' } });
    if (!values.from || !values.to) throw new UsageError('both --from and --to are needed');
    const from = await openStore(values.from);
    try {
      const to = await openStore(values.to);
      try {
        const { copied } = await migrateStore(from, to);
        context.print(`${copied} objects carried from ${values.from} to ${values.to}`);
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
    return 0;
  },
};

async function openStore(text: string): Promise<Store> {
  const colon = text.indexOf(':');
  const [kind, where] = [text.slice(0, colon), text.slice(colon + 1)];
  if (kind !== 'sqlite' && kind !== 'etcd')
    throw new UsageError(`${JSON.stringify(text)} is not sqlite:FILE or etcd:URL`);
  try {
    if (kind === 'sqlite') {
      const { createSqliteStore } = await import('../storage/sqlite/sqlite-store.ts');
      return await createSqliteStore({ path: where });
    }
    const { createEtcdStore } = await import('../storage/etcd/etcd-store.ts');
    return await createEtcdStore({ endpoints: where.split(','), clock: systemClock });
  } catch (cause) {
    throw new Failure(`the store ${text} cannot be opened`, {
      cause,
      advice:
        kind === 'sqlite' ? 'stop the cluster that uses it: wherry down' : 'check that etcd answers there',
    });
  }
}
