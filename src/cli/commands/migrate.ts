/** `wherry migrate`: everything that one store holds, carried into another. */
import { existsSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { Failure } from '../../host/failure.ts';
import type { EtcdTlsFiles } from '../../host/processes/process-config.ts';
import { migrateStore, PartlyMigratedError, TargetNotEmptyError } from '../../storage/migrate.ts';
import type { Store } from '../../storage/store.ts';
import { type Command, UsageError } from '../context.ts';
import { etcdTlsFiles, etcdTlsOptions } from '../options/etcd-options.ts';
import { parseOptions } from '../options/parse-options.ts';

export const migrate: Command = {
  summary: 'carry the objects of one store into another, empty one',
  usage: '--from STORE --to STORE [--etcd-cacert FILE --etcd-cert FILE --etcd-key FILE]',
  details: [
    'STORE  sqlite:FILE, or etcd:URL[,URL…]',
    '--etcd-cacert FILE --etcd-cert FILE --etcd-key FILE  for etcd behind TLS',
    'No server may write to the first store meanwhile: wherry down first. Secrets stay encrypted as they are;',
    'the server on the new store needs the same encryption-keys.json. Revisions start anew.',
  ],
  async run(context, args) {
    const { values } = parseOptions(args, {
      from: { type: 'string' },
      to: { type: 'string' },
      ...etcdTlsOptions,
    });
    if (!values.from || !values.to) throw new UsageError('both --from and --to are needed');
    const tls = etcdTlsFiles(values);
    if (tls && ![values.from, values.to].some((store) => store.startsWith('etcd:')))
      throw new UsageError('--etcd-cacert, --etcd-cert and --etcd-key need a store etcd:URL');
    checkSource(values.from);
    const from = await openStore(values.from, tls);
    try {
      const to = await openStore(values.to, tls);
      try {
        const { copied } = await migrateStore(from, to).catch((error: unknown) => {
          throw explained(error, values.to!);
        });
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

/** What the user can do: about a target that is not empty, before the migration or after it, or about another cause. */
function explained(error: unknown, target: string): unknown {
  if (!(error instanceof Error)) return error;
  const emptying = target.startsWith('sqlite:')
    ? `rm -f ${target.slice('sqlite:'.length)}*`
    : 'etcdctl del --prefix /registry/';
  if (error instanceof TargetNotEmptyError)
    return new Failure(error.message, {
      advice: `choose another store; or, if this one is what an earlier migration left, empty it: ${emptying}`,
    });
  if (error instanceof PartlyMigratedError)
    return new Failure(error.message, {
      cause: error.cause,
      advice: `empty it, and run the command again: ${emptying}`,
    });
  return new Failure(`nothing was carried: ${error.message}`, {
    cause: error,
    advice: 'remove the cause, and run the command again: the target is as empty as before',
  });
}

/** SQLite would make the file. @throws Failure */
function checkSource(store: string): void {
  const file = store.startsWith('sqlite:') && store.slice('sqlite:'.length);
  if (file && !existsSync(file)) throw new Failure(`there is no file ${file}`);
}

async function openStore(text: string, tls: EtcdTlsFiles | undefined): Promise<Store> {
  const colon = text.indexOf(':');
  const [kind, where] = [text.slice(0, colon), text.slice(colon + 1)];
  if (kind !== 'sqlite' && kind !== 'etcd')
    throw new UsageError(`${JSON.stringify(text)} is not sqlite:FILE or etcd:URL`);
  try {
    if (kind === 'sqlite') {
      const { createSqliteStore } = await import('../../storage/sqlite/sqlite-store.ts');
      return await createSqliteStore({ path: where });
    }
    const { createEtcdStore, etcdEndpoints } = await import('../../storage/etcd/etcd-store.ts');
    const etcd = etcdEndpoints({ etcd: where.split(','), ...(tls && { tls }) });
    return await createEtcdStore({ ...etcd, clock: systemClock });
  } catch (cause) {
    throw new Failure(`the store ${text} cannot be opened`, {
      cause,
      advice:
        kind === 'sqlite'
          ? 'check that its folder is there, and stop the cluster that uses it: wherry down'
          : 'check that etcd answers there, and the files for TLS',
    });
  }
}
