/** The configuration of long-running processes: a JSON file each, written by the process that starts them. */
import { readFileSync } from 'node:fs';
import { replaceFile } from '../../base/system/replace-file.ts';
import type { SupervisorPlan } from '../supervision/supervisor.ts';

/** What an administrator may say of the API server; files are named by absolute paths. */
export interface ApiServerSettings {
  /** An OpenID Connect provider whose users may ask; upstream's --oidc-* flags. */
  oidc?: {
    issuerUrl: string;
    clientId: string;
    usernameClaim?: string;
    usernamePrefix?: string;
    groupsClaim?: string;
    groupsPrefix?: string;
    requiredClaims?: Record<string, string>;
    signingAlgorithms?: string[];
    caFile?: string;
  };
  /** Structured authentication; upstream's --authentication-config. */
  authenticationConfigFile?: string;
  /** Who is asked about rights; upstream's --authorization-config. */
  authorizationConfigFile?: string;
  /** `-` writes to the output. */
  audit?: { policyFile: string; logFile: string };
  /** Concurrent requests. */
  requestSeats?: number;
  requestTimeoutMs?: number;
}

/** PEM files by which a client of etcd knows it and shows itself. */
export interface EtcdTlsFiles {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

export interface EtcdSettings {
  /** Endpoints, `http://…` or `https://…`. */
  etcd: readonly string[];
  tls?: EtcdTlsFiles;
}

export interface ServerConfig {
  /** Of the program that is started; see program-version.ts. */
  programVersion?: string;
  clusterName: string;
  /** The data folder that holds the cluster's, where it has one. */
  dataPath?: string;
  listen: readonly { host: string; port: number }[];
  /** Address that nodes and pods reach the server by; endpoints of the service `kubernetes`. */
  advertiseAddress: string;
  pkiFolder: string;
  /** A SQLite file, or an etcd cluster. */
  store: { sqlite: string } | EtcdSettings;
  api?: ApiServerSettings;
  serviceCidr: string;
  podCidr: string;
  clusterDomain: string;
  clusterDns: string;
  simulatedNodes: number;
  /** By which other machines join; see `wherry server`. */
  joinToken?: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** What the server starts again when it has died. */
  supervisor?: SupervisorPlan;
  /** A KubeSchedulerConfiguration as upstream's scheduler reads it. */
  schedulerConfigFile?: string;
  /** Of what that file held at the start. */
  schedulerConfigDigest?: string;
  /** Serves images that were loaded from files to the cluster's nodes. */
  imageMirror?: { host: string; port: number; nodesFolder: string; loadedFile: string };
  /** Addresses for services of type LoadBalancer: first and last. */
  loadBalancerPool?: { first: string; last: string };
}

export interface AgentConfig {
  /** Of the program that is started; see program-version.ts. */
  programVersion?: string;
  nodeName: string;
  nodeAddress: string;
  /** API servers; the next is tried when one does not answer. */
  servers: readonly string[];
  /** Holds ca.crt and the pairs kubelet-client and kubelet-server. */
  pkiFolder: string;
  runtimeSocket: string;
  cniConfigFolder: string;
  cniPluginFolder: string;
  cgroupRoot: string;
  serviceCidr: string;
  podCidr: string;
  clusterDomain: string;
  clusterDns: string;
  resolvConf: string;
  /** A KubeletConfiguration, as it was given. */
  kubelet?: object;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

export function readConfig<Config>(file: string): Config {
  return JSON.parse(readFileSync(file, 'utf8')) as Config;
}

export function writeConfig(file: string, config: ServerConfig | AgentConfig): void {
  replaceFile(file, `${JSON.stringify(config, undefined, 2)}\n`, 0o600);
}
