/**
 * A database in a StatefulSet's pod is written to while its pod is killed again and again: no committed row is lost, and
 * no mount is left. KILLS=50 node --test … for a long run.
 */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, test } from 'node:test';
import { writeImageArchive } from '../../src/host/images/archive.ts';
import { busyboxEntries, nodeEntries } from '../../src/host/images/rootfs.ts';
import { eventually, TestCluster } from './test-cluster.ts';

const kills = Number(process.env.KILLS ?? 5);
/** On a machine that others load, too. */
const killMs = 40_000;

/**
 * Commits rows as fast as the disk lets it, and notes each in the witness's folder once it is committed. When it starts
 * it looks whether everything that was noted is there.
 */
const writer = `
const { DatabaseSync } = require('node:sqlite');
const fs = require('node:fs');
const db = new DatabaseSync('/data/rows.db');
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY)');
const noted = fs.existsSync('/witness/rows') ? fs.readFileSync('/witness/rows', 'utf8').split('\\n').slice(0, -1) : [];
const has = db.prepare('SELECT n FROM rows WHERE n = ?');
const lost = noted.filter((n) => !has.get(Number(n)));
const { integrity_check } = db.prepare('PRAGMA integrity_check').get();
fs.appendFileSync('/witness/starts', JSON.stringify({ noted: noted.length, lost, integrity_check }) + '\\n');
const insert = db.prepare('INSERT INTO rows VALUES (?)');
const file = fs.openSync('/witness/rows', 'a');
let n = db.prepare('SELECT max(n) AS n FROM rows').get().n ?? 0;
setInterval(() => {
  insert.run(++n);
  fs.writeSync(file, n + '\\n');
}, 5);
`;

const manifest = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: db
        image: node-sqlite
        imagePullPolicy: IfNotPresent
        command: [node, /writer.js]
        volumeMounts: [{name: data, mountPath: /data, subPath: db}, {name: witness, mountPath: /witness}]
      volumes: [{name: witness, hostPath: {path: /var/lib/wherry/witness, type: DirectoryOrCreate}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Mi}}}
`;

interface Start {
  noted: number;
  lost: string[];
  integrity_check: string;
}

suite('a database on a claim', () => {
  const cluster = new TestCluster();

  before(async () => {
    await cluster.up();
    const archive = join(cluster.home, 'node-sqlite.tar');
    writeImageArchive(archive, {
      names: ['docker.io/library/node-sqlite:latest'],
      config: { Cmd: ['node'], Env: ['PATH=/usr/local/bin:/usr/bin:/bin'] },
      files: [
        ...(await busyboxEntries()),
        ...(await nodeEntries()),
        { path: 'writer.js', mode: 0o644, content: Buffer.from(writer) },
      ],
    });
    await cluster.wherry('image', 'load', archive);
  });
  after(() => cluster.delete());

  const witness = (file: string) =>
    join(cluster.folder, 'nodes', 'wherry', 'var-lib', 'wherry', 'witness', file);
  const starts = (): Start[] =>
    existsSync(witness('starts'))
      ? readFileSync(witness('starts'), 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as Start)
      : [];
  const noted = () => readFileSync(witness('rows'), 'utf8').split('\n').slice(0, -1).map(Number);
  const rows = () => noted().length;
  const podMounts = () =>
    readFileSync(`/proc/${cluster.pidOf('wherry/holder')}/mountinfo`, 'utf8')
      .split('\n')
      .filter((line) => /\/pods\/[^/]+\/volume/.test(line));

  /** Whether every row that was noted is in the database now, the last pod's too, read from outside of any pod. */
  const missingRows = () => {
    const [file] = globSync(
      join(cluster.folder, 'nodes/wherry/var-lib/wherry-volumes/*_data-db-0/db/rows.db'),
    );
    const database = new DatabaseSync(file!, { readOnly: true });
    const stored = new Set(
      database
        .prepare('SELECT n FROM rows')
        .all()
        .map(({ n }) => Number(n)),
    );
    database.close();
    return noted().filter((n) => !stored.has(n));
  };

  test(`no committed row is lost in ${kills} kills, and no mount is left`, {
    timeout: 60_000 + kills * killMs,
  }, async () => {
    await cluster.apply(manifest);
    await eventually('the database is written to', async () => existsSync(witness('rows')) && rows() > 20);
    const mountsOfOne = podMounts().length;
    assert.ok(mountsOfOne > 0, 'the part of a volume that a container gets is mounted on the node');
    for (let kill = 1; kill <= kills; kill++) {
      const [before, startsBefore] = [rows(), starts().length];
      await cluster.kubectl('delete', 'pod', 'db-0', '--grace-period=0', '--force', '--wait=false');
      await eventually('it goes on', async () => starts().length > startsBefore && rows() > before + 10);
    }
    for (const { lost, integrity_check } of starts())
      assert.deepEqual({ lost, integrity_check }, { lost: [], integrity_check: 'ok' });
    assert.ok(starts().at(-1)!.noted > kills * 10, JSON.stringify(starts().at(-1)));
    await eventually('no mount is left', async () => podMounts().length === mountsOfOne);
    await cluster.kubectl('scale', 'statefulset', 'db', '--replicas=0');
    await eventually('nor one of the last', async () => podMounts().length === 0);
    assert.deepEqual(missingRows(), []);
  });
});
