/** Paths: the data folder of this machine, and in it the folders of clusters and their nodes. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface NodeFolder {
  readonly path: string;
  /** Bound over /var/lib inside the node: containerd's images, kubelet's pods, CNI's configuration. */
  readonly varLib: string;
  /** Bound over /var/log inside the node: the logs of its pods. */
  readonly varLog: string;
  readonly etc: string;
  readonly logs: string;
  readonly run: string;
  readonly pki: string;
}

export interface ClusterFolder {
  readonly name: string;
  readonly path: string;
  readonly record: string;
  readonly lock: string;
  readonly pki: string;
  readonly store: string;
  readonly logs: string;
  readonly run: string;
  readonly kubeconfig: string;
  readonly nodes: string;
  /** Which images were loaded from files; see images/mirror.ts. */
  readonly loadedImages: string;
  /** The scheduler's configuration, where one was given. */
  readonly schedulerConfig: string;
  readonly apiServerSettings: string;
  /** The kubelets' configuration as JSON, where one was given. */
  readonly kubeletConfig: string;
  /** How its nodes reach registries, where that was given. */
  readonly registries: string;
  node(name: string): NodeFolder;
}

export interface DataFolder {
  readonly path: string;
  readonly clusters: string;
  /** Image archives that Wherry built itself; they can be built again. */
  readonly images: string;
  /** Node's, of commands and repairs: of what starts often and ends soon. */
  readonly compileCache: string;
  /** Modules without their types, for Wherry's own processes. */
  readonly moduleCache: string;
  cluster(name: string): ClusterFolder;
}

/** `WHERRY_HOME` takes precedence; root keeps clusters with the system's other state, other users in their home. */
export function defaultDataPath(env: NodeJS.ProcessEnv, userId: number | undefined): string {
  if (env.WHERRY_HOME) return env.WHERRY_HOME;
  if (userId === 0) return '/var/lib/wherry';
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share'), 'wherry');
}

/** `NODE_COMPILE_CACHE` of `env` wins: several data folders may share what is the same for all. */
export function dataFolder(path: string, env: NodeJS.ProcessEnv = {}): DataFolder {
  const clusters = join(path, 'clusters');
  const compileCache = env.NODE_COMPILE_CACHE || join(path, 'compile-cache');
  return {
    path,
    clusters,
    images: join(path, 'images'),
    compileCache,
    moduleCache: join(compileCache, 'modules'),
    cluster: (name) => clusterFolder(name, join(clusters, name)),
  };
}

function clusterFolder(name: string, path: string): ClusterFolder {
  const nodes = join(path, 'nodes');
  return {
    name,
    path,
    record: join(path, 'cluster.json'),
    lock: join(path, 'lock'),
    pki: join(path, 'pki'),
    store: join(path, 'store'),
    logs: join(path, 'logs'),
    run: join(path, 'run'),
    kubeconfig: join(path, 'admin.kubeconfig'),
    nodes,
    schedulerConfig: join(path, 'scheduler.yaml'),
    apiServerSettings: join(path, 'api-server.json'),
    kubeletConfig: join(path, 'kubelet.json'),
    registries: join(path, 'registries'),
    loadedImages: join(path, 'loaded-images.json'),
    node: (nodeName) => nodeFolder(join(nodes, nodeName)),
  };
}

export function nodeFolder(path: string): NodeFolder {
  return {
    path,
    varLib: join(path, 'var-lib'),
    varLog: join(path, 'var-log'),
    etc: join(path, 'etc'),
    logs: join(path, 'logs'),
    run: join(path, 'run'),
    pki: join(path, 'pki'),
  };
}
